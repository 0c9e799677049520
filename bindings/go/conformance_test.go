// SPDX-License-Identifier: Apache-2.0

package rill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What the package promises, a row a feature.

var background = context.Background()

// soon is a context with the time that a test may take.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(background, 50*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v", err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// fails wants an error that is `want`, with a sentence.
func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || err.Error() == "" {
		t.Fatalf("%v, and not %v", err, want)
	}
}

func is[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%v, and not %v", got, want)
	}
}

func until(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(50 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about in time")
		}
	}
}

func open(t *testing.T, url string, opts *Options) *Bus {
	t.Helper()
	bus := must[*Bus](t)(Open(soon(t), url, opts))
	t.Cleanup(func() { bus.Close() })
	return bus
}

func hear(t *testing.T, bus *Bus, subject string, opts *SubOptions) *Sub {
	t.Helper()
	sub := must[*Sub](t)(bus.Subscribe(soon(t), subject, opts))
	t.Cleanup(func() { sub.Close() })
	return sub
}

// next is the data of the next message.
func next(t *testing.T, sub *Sub) string {
	t.Helper()
	return string(must[*Msg](t)(sub.Next(soon(t))).Data)
}

func serve(t *testing.T, opts *BrokerOptions) (*Broker, string) {
	t.Helper()
	broker := must[*Broker](t)(OpenBroker(opts))
	t.Cleanup(func() { broker.Close() })
	port := must[int](t)(broker.Listen("nats://127.0.0.1:0", nil))
	return broker, fmt.Sprintf("127.0.0.1:%d", port)
}

func ptr[T any](v T) *T { return &v }

func TestPublishSubscribe(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "greet.*", nil)
	ok(t, bus.Publish("greet.world", []byte("hello"), nil))
	m := must[*Msg](t)(sub.Next(soon(t)))
	is(t, m.Subject+" "+string(m.Data)+m.Reply, "greet.world hello")
	if m.Time().IsZero() || m.Seq() != 0 || m.Stream() != "" {
		t.Fatal(m)
	}
	is(t, bus.Caps()&CanKV, CanKV)
	is(t, must[Stats](t)(bus.Stats()).InMsgs, 1)
	is(t, must[SubInfo](t)(sub.Status(soon(t))).DeliveredMsgs, 1)
	ok(t, sub.Close())
	ok(t, bus.Close())
	if !sub.Closed() || !bus.Closed() || bus.Caps() != 0 {
		t.Fatal("not closed")
	}
	if Version() < 0x100 {
		t.Fatal(Version())
	}
}

func TestPublishMany(t *testing.T) {
	ctx := soon(t)
	broker, at := serve(t, nil)
	data := make([][]byte, 300)
	for i := range data {
		data[i] = bytes.Repeat(fmt.Append(nil, i), i%3) // a third: nothing
	}
	large := make([]byte, 2<<20)
	for _, bus := range []*Bus{open(t, "mem:", nil), open(t, "nats://"+at, nil),
		must[*Bus](t)(broker.Bus(nil)), open(t, "nats://"+at, &Options{SendTimeout: -1})} {
		sub := hear(t, bus, "a", nil)
		hears := func(data ...[]byte) {
			t.Helper()
			for _, d := range data {
				is(t, next(t, sub), string(d))
			}
		}
		ok(t, bus.Publish("a", []byte("first"), nil)) // C takes the subject, and the next one is gathered
		ok(t, bus.Publish("a", []byte("second"), nil))
		is(t, must[int](t)(bus.PublishMany("a", data)), 300)
		is(t, must[int](t)(bus.PublishMany("a", nil)), 0)
		is(t, must[int](t)(bus.PublishMany("a", [][]byte{[]byte("last")})), 1)
		hears([]byte("first"), []byte("second"))
		hears(data...)
		hears([]byte("last"))
		for _, bad := range []string{"", "a b", "a\x00b", "a..b"} {
			n, err := bus.PublishMany(bad, data)
			fails(t, err, EINVAL)
			is(t, n, 0)
		}
		// What lies before one that is too large goes, and nothing behind it.
		for _, at := range []int{0, 1, 64, 100, 299} {
			rows := slices.Clone(data)
			rows[at] = large
			n, err := bus.PublishMany("a", rows)
			fails(t, err, ETOOBIG)
			is(t, n, at)
			n, err = bus.PublishMany("a", rows[n:])
			fails(t, err, ETOOBIG)
			is(t, n, 0)
			ok(t, bus.Publish("a", []byte("end"), nil))
			hears(data[:at]...)
			hears([]byte("end"))
		}
		ok(t, sub.Close())
		ok(t, bus.Flush(ctx))
		ok(t, bus.Close())
		for _, rows := range [][][]byte{data, nil} {
			n, err := bus.PublishMany("a", rows)
			fails(t, err, ECLOSED)
			is(t, n, 0)
		}
	}
}

func TestDataOfAllLengths(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "d", nil)
	for _, n := range []int{0, 1, 127, 4095, 4096, 4097, 32768, 1 << 19} {
		data := make([]byte, n)
		rand.New(rand.NewSource(int64(n))).Read(data)
		ok(t, bus.Publish("d", data, nil))
		ok(t, bus.Publish("d", data[n/2:], nil)) // a part of a slice
		m := must[*Msg](t)(sub.Next(soon(t)))
		is(t, bytes.Equal(m.Data, data), true)
		m = must[*Msg](t)(sub.Next(soon(t)))
		is(t, bytes.Equal(m.Data, data[n/2:]), true)
	}
	long := strings.Repeat("x", 1000)
	wide := hear(t, bus, "x.>", nil)
	ok(t, bus.Publish("x."+long, []byte("far"), nil))
	is(t, must[*Msg](t)(wide.Next(soon(t))).Subject, "x."+long)
}

func TestMessagesThatAreKept(t *testing.T) {
	bus := must[*Bus](t)(Open(background, "mem:", nil))
	sub := must[*Sub](t)(bus.Subscribe(background, "k", nil))
	var kept []*Msg
	for i := range 300 {
		ok(t, bus.Publish("k", []byte(strings.Repeat(fmt.Sprint(i), 50)),
			&Post{Headers: []Header{{"N", fmt.Sprint(i)}}}))
		kept = append(kept, must[*Msg](t)(sub.Next(background)))
		kept[i].Data = append(kept[i].Data, "!"...) // it does not reach the next one
	}
	ok(t, sub.Close())
	ok(t, bus.Close())
	for i, m := range kept {
		is(t, string(m.Data), strings.Repeat(fmt.Sprint(i), 50)+"!")
		n, _ := m.Header("N")
		is(t, n+m.Subject, fmt.Sprint(i)+"k")
	}
}

func TestErrors(t *testing.T) {
	bus := open(t, "mem:", nil)
	_, err := bus.Request(soon(t), "nobody", nil, nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != ENOREPLY || !strings.Contains(e.Sentence, "nobody") {
		t.Fatal(err)
	}
	is(t, e.Code.Name(), "ENOREPLY")
	fails(t, err, ENOREPLY)
	is(t, errors.Is(err, ENOENT), false)
	_, err = bus.StreamStatus(soon(t), "NONE")
	fails(t, err, fs.ErrNotExist)
	fails(t, err, ENOENT)
	fails(t, bus.Publish("a b", nil, nil), fs.ErrInvalid)
	fails(t, bus.Publish("a\x00b", nil, nil), EINVAL)
	_, err = Open(soon(t), "nats://127.0.0.1:1", &Options{NoRedial: true})
	fails(t, err, ECONN)
	_, err = Open(soon(t), "nowhere:", nil)
	fails(t, err, EINVAL)
	is(t, Code(-999).Name(), "EUNKNOWN")
	wrapped := fmt.Errorf("while asking: %w", err)
	fails(t, wrapped, EINVAL)
}

func TestContexts(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "a", nil)
	hear(t, bus, "mute", nil)
	waits := map[string]func(context.Context) error{
		"next":    func(ctx context.Context) error { _, err := sub.Next(ctx); return err },
		"read":    func(ctx context.Context) error { _, err := sub.Read(ctx, 10); return err },
		"request": func(ctx context.Context) error { _, err := bus.Request(ctx, "mute", nil, nil); return err },
		"messages": func(ctx context.Context) error {
			for _, err := range sub.Messages(ctx) {
				return err
			}
			return nil
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
			defer cancel()
			err := wait(ctx)
			fails(t, err, context.DeadlineExceeded)
			fails(t, err, ETIMEDOUT)
			var late interface{ Timeout() bool }
			is(t, errors.As(err, &late) && late.Timeout(), true)
			ctx, stop := context.WithCancel(background)
			time.AfterFunc(5*time.Millisecond, stop)
			began := time.Now()
			err = wait(ctx)
			fails(t, err, context.Canceled)
			fails(t, err, ECANCELED)
			is(t, time.Since(began) < 30*time.Second, true)
			fails(t, wait(ctx), context.Canceled) // it was over before
		})
	}
	ok(t, bus.Publish("a", []byte("1"), nil))
	is(t, next(t, sub), "1")
}

func TestIterators(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "i.>", &SubOptions{LimitMsgs: 5})
	var data [][]byte
	for i := range 7 {
		data = append(data, []byte(fmt.Sprint(i)))
	}
	is(t, must[int](t)(bus.PublishAll("i.a", data, nil)), 7)
	got := ""
	for m, err := range sub.Messages(soon(t)) {
		ok(t, err)
		got += string(m.Data)
	}
	is(t, got, "01234")
	_, err := sub.Next(soon(t))
	fails(t, err, ECLOSED)
}

func TestChannels(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "c", nil)
	ctx, cancel := context.WithCancel(soon(t))
	c := sub.Chan(ctx, 4)
	for i := range 100 {
		ok(t, bus.Publish("c", []byte(fmt.Sprint(i)), nil))
	}
	for i := range 100 {
		is(t, string((<-c).Data), fmt.Sprint(i))
	}
	cancel()
	for range c {
	}
	ok(t, sub.Close())
	c = hear(t, bus, "c", &SubOptions{LimitMsgs: 1}).Chan(soon(t), 0)
	ok(t, bus.Publish("c", nil, nil))
	is(t, (<-c).Subject, "c")
	if m, more := <-c; more {
		t.Fatal(m)
	}
}

func TestBatchesOfMessages(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "m", &SubOptions{PendingMsgs: 10000})
	var data [][]byte
	for i := range 1000 {
		data = append(data, []byte(fmt.Sprint(i)))
	}
	is(t, must[int](t)(bus.PublishAll("m", data, nil)), 1000)
	first := must[[]*Msg](t)(sub.Read(soon(t), 600))
	second := must[[]*Msg](t)(sub.Read(soon(t), 4096))
	is(t, len(first), 600)
	is(t, len(second), 400)
	for i, m := range append(first, second...) {
		is(t, string(m.Data), fmt.Sprint(i))
	}
	for _, n := range []int{0, -1, 4097} {
		_, err := sub.Read(soon(t), n)
		fails(t, err, EINVAL)
	}
	is(t, must[int](t)(bus.PublishAll("m", [][]byte{nil, {}, []byte("x")}, nil)), 3)
	is(t, next(t, sub)+next(t, sub)+next(t, sub), "x")
	n, err := bus.PublishAll("m", [][]byte{[]byte("y"), make([]byte, 2<<20), nil}, nil)
	is(t, n, 1)
	fails(t, err, ETOOBIG)
	is(t, next(t, sub), "y")
}

func TestRequestReply(t *testing.T) {
	bus := open(t, "mem:", nil)
	hear(t, bus, "echo", &SubOptions{OnMsg: func(m *Msg) {
		m.Respond(append([]byte("you said "), m.Data...), &Post{Headers: []Header{{"A", "b"}}})
	}})
	m := must[*Msg](t)(bus.Request(soon(t), "echo", []byte("ping"), nil))
	is(t, string(m.Data), "you said ping")
	a, there := m.Header("A")
	is(t, a, "b")
	is(t, there, true)
	inbox := must[string](t)(bus.Inbox())
	mine := hear(t, bus, inbox, nil)
	asked := hear(t, bus, "ask", nil)
	ok(t, bus.Publish("ask", nil, &Post{Reply: inbox}))
	ok(t, must[*Msg](t)(asked.Next(soon(t))).Respond([]byte("1"), nil))
	is(t, next(t, mine), "1")
	fails(t, m.Respond(nil, nil), EINVAL)
	fails(t, (&Msg{Reply: "x"}).Respond(nil, nil), EINVAL)
}

func TestServicesShareWork(t *testing.T) {
	bus := open(t, "mem:", nil)
	var counts [3]atomic.Int32
	for i := range counts {
		hear(t, bus, "svc", &SubOptions{Group: "g", OnMsg: func(m *Msg) {
			counts[i].Add(1)
			m.Respond(nil, nil)
		}})
	}
	for range 90 {
		must[*Msg](t)(bus.Request(soon(t), "svc", nil, nil))
	}
	sum := int32(0)
	for i := range counts {
		is(t, counts[i].Load() > 0, true)
		sum += counts[i].Load()
	}
	is(t, sum, 90)
}

func TestHeaders(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "h", nil)
	want := []Header{{"A", "1"}, {"A", "2"}, {"B", ""}}
	ok(t, bus.Publish("h", nil, &Post{Headers: want}))
	m := must[*Msg](t)(sub.Next(soon(t)))
	is(t, slices.Equal(m.Headers, want), true)
	_, there := m.Header("C")
	is(t, there, false)
	fails(t, bus.Publish("h", nil, &Post{Headers: []Header{{"A", "x\r\ny"}}}), EINVAL)
}

func TestStreams(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	opts := &StreamOptions{Subjects: "orders.>", MaxMsgs: 100, AllowTTL: true, MaxAge: time.Hour}
	is(t, must[bool](t)(bus.StreamEnsure(ctx, "ORDERS", opts)), true)
	is(t, must[bool](t)(bus.StreamEnsure(ctx, "ORDERS", opts)), false)
	r := must[Receipt](t)(bus.Append(ctx, "orders.eu", []byte("1"), &Post{MsgID: "a"}))
	is(t, r, Receipt{1, false, 0})
	is(t, must[Receipt](t)(bus.Append(ctx, "orders.eu", nil, &Post{MsgID: "a"})).Duplicate, true)
	_, err := bus.Append(ctx, "orders.eu", nil, &Post{ExpectLastSeq: ptr(uint64(7))})
	fails(t, err, ECONFLICT)
	must[Receipt](t)(bus.Append(ctx, "orders.us", []byte("2"), &Post{ExpectLastSeq: ptr(uint64(1))}))
	_, err = bus.Append(ctx, "nowhere", nil, nil)
	fails(t, err, ENOREPLY)
	info := must[StreamInfo](t)(bus.StreamStatus(ctx, "ORDERS"))
	is(t, info.Msgs, 2)
	is(t, time.Since(info.LastTime) < time.Hour, true)
	is(t, strings.Join(must[[]string](t)(bus.Streams(ctx)), " "), "ORDERS")
	desc := must[StreamDesc](t)(bus.StreamDescribe(ctx, "ORDERS"))
	is(t, desc.Name, "ORDERS")
	is(t, desc.Options.MaxAge, time.Hour)
	is(t, desc.Options.AllowTTL && desc.Options.MaxMsgs == 100 && desc.Info.LastSeq == 2, true)
	is(t, must[bool](t)(bus.StreamEnsure(ctx, "ORDERS", &desc.Options)), false)
	is(t, len(must[[]StreamDesc](t)(bus.DescribeStreams(ctx))), 1)
	is(t, string(must[*Msg](t)(bus.StreamGet(ctx, "ORDERS", AtSeq(2))).Data), "2")
	last := must[*Msg](t)(bus.StreamGet(ctx, "ORDERS", AtLast("orders.eu")))
	is(t, last.Seq(), 1)
	is(t, last.Stream(), "ORDERS")
	ok(t, bus.StreamErase(ctx, "ORDERS", AtSeq(2)))
	_, err = bus.StreamGet(ctx, "ORDERS", AtSeq(2))
	fails(t, err, ENOENT)
	is(t, must[uint64](t)(bus.StreamPurge(ctx, "ORDERS", nil)), 1)
	must[bool](t)(bus.StreamEnsure(ctx, "COPY", &StreamOptions{Sources: []Source{
		{Stream: "ORDERS", Filter: "orders.eu"}, {Stream: "OTHER"}}}))
	copied := must[StreamDesc](t)(bus.StreamDescribe(ctx, "COPY")).Options.Sources
	is(t, slices.Equal(copied, []Source{{Stream: "ORDERS", Filter: "orders.eu"}, {Stream: "OTHER"}}), true)
	ok(t, bus.StreamDelete(ctx, "COPY"))
	ok(t, bus.StreamDelete(ctx, "ORDERS"))
	is(t, len(must[[]string](t)(bus.Streams(ctx))), 0)
}

func TestAppendWithoutWaiting(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	var all []*Future
	for range 100 {
		all = append(all, must[*Future](t)(bus.AppendAsync("S", []byte("x"), nil)))
	}
	for i, f := range all {
		is(t, must[Receipt](t)(f.Wait(ctx)).Seq, uint64(i+1))
		<-f.Done()
	}
	f := must[*Future](t)(bus.AppendAsync("nowhere", nil, nil))
	_, err := f.Wait(ctx)
	fails(t, err, ENOREPLY)
	f.Cancel()
}

func TestBatchesAllOrNone(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", &StreamOptions{Subjects: "s.*"}))
	batch := must[*Batch](t)(bus.Batch(nil))
	ok(t, batch.Add("s.a", []byte("1"), nil))
	ok(t, batch.Add("s.b", []byte("2"), &Post{MsgID: "x"}))
	is(t, must[int](t)(batch.AddAll("s.c", [][]byte{[]byte("3"), nil}, nil)), 2)
	is(t, must[StreamInfo](t)(bus.StreamStatus(ctx, "S")).Msgs, 0)
	is(t, must[Receipt](t)(batch.Commit(ctx)).Seq, 4)
	ok(t, batch.Close())
	is(t, must[StreamInfo](t)(bus.StreamStatus(ctx, "S")).Msgs, 4)
	again := must[*Batch](t)(bus.Batch(&BatchOptions{Sync: SyncAlways}))
	ok(t, again.Add("s.b", nil, &Post{MsgID: "x"}))
	_, err := again.Commit(ctx)
	fails(t, err, fs.ErrExist)
	fails(t, again.Add("s.b", nil, nil), EINVAL)
	ok(t, again.Close())
	fails(t, again.Add("s.b", nil, nil), ECLOSED)
}

func TestConsumeAndSettle(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "JOBS", &StreamOptions{Keep: KeepWork}))
	for i := range 4 {
		must[Receipt](t)(bus.Append(ctx, "JOBS", []byte(fmt.Sprint(i)), nil))
	}
	sub := must[*Sub](t)(bus.Consume(ctx, "JOBS", &SubOptions{Group: "w", AckWait: time.Minute,
		Backoff: []time.Duration{time.Second, time.Minute}, MaxDeliveries: 5}))
	defer sub.Close()
	m := must[*Msg](t)(sub.Next(ctx))
	is(t, m.Deliveries(), 1)
	ok(t, m.Working())
	ok(t, m.Ack())
	fails(t, m.Ack(), ENOENT)
	m = must[*Msg](t)(sub.Next(ctx))
	ok(t, m.Nak(time.Millisecond))
	rest := map[string]int{}
	for len(rest) < 3 {
		list := must[[]*Msg](t)(sub.Read(ctx, 3))
		for _, m := range list {
			rest[string(m.Data)] = m.Deliveries()
			if string(m.Data) == "3" {
				ok(t, m.Term())
			} else {
				ok(t, m.Ack())
			}
		}
	}
	is(t, rest["1"], 2)
	until(t, func() bool { return must[StreamInfo](t)(bus.StreamStatus(ctx, "JOBS")).Msgs == 0 })
	group := must[GroupInfo](t)(bus.GroupStatus(ctx, "JOBS", "w"))
	is(t, group.SettledSeq, 4)
	fails(t, (&Msg{}).Ack(), EINVAL)
}

func TestAutoAcks(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "A", nil))
	for i := range 5 {
		must[Receipt](t)(bus.Append(ctx, "A", []byte(fmt.Sprint(i)), nil))
	}
	settled := func(group string) func() bool {
		return func() bool {
			return must[GroupInfo](t)(bus.GroupStatus(ctx, "A", group)).SettledSeq == 5
		}
	}
	var heard atomic.Int32
	sub := must[*Sub](t)(bus.Consume(ctx, "A", &SubOptions{Group: "g", Ack: AckAuto,
		OnMsg: func(m *Msg) { heard.Add(1) }}))
	until(t, settled("g"))
	is(t, heard.Load(), 5)
	ok(t, sub.Close())
	sub = must[*Sub](t)(bus.Consume(ctx, "A", &SubOptions{Group: "h", Ack: AckAuto}))
	defer sub.Close()
	for i := range 4 {
		is(t, next(t, sub), fmt.Sprint(i))
	}
	ok(t, must[*Msg](t)(sub.Next(ctx)).Nak(0))
	is(t, must[*Msg](t)(sub.Next(ctx)).Deliveries(), 2)
	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := sub.Next(brief) // so what it gave last is done with
	is(t, errors.Is(err, context.DeadlineExceeded), true)
	until(t, settled("h"))
}

func TestGroups(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	is(t, must[bool](t)(bus.GroupEnsure(ctx, "S", "g", &SubOptions{AckWait: time.Second})), true)
	is(t, must[bool](t)(bus.GroupEnsure(ctx, "S", "g", &SubOptions{AckWait: time.Minute})), false)
	for range 3 {
		must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
	}
	is(t, must[GroupInfo](t)(bus.GroupStatus(ctx, "S", "g")).LagMsgs, 3)
	ok(t, bus.GroupSeek(ctx, "S", "g", AtSeq(3)))
	is(t, must[GroupInfo](t)(bus.GroupStatus(ctx, "S", "g")).LagMsgs, 1)
	pause := time.Now().Add(time.Hour)
	ok(t, bus.GroupPause(ctx, "S", "g", pause))
	is(t, must[GroupInfo](t)(bus.GroupStatus(ctx, "S", "g")).PausedUntil.Equal(pause), true)
	ok(t, bus.GroupPause(ctx, "S", "g", time.Time{}))
	is(t, strings.Join(must[[]string](t)(bus.Groups(ctx, "S")), " "), "g")
	ok(t, bus.GroupDelete(ctx, "S", "g"))
	_, err := bus.GroupStatus(ctx, "S", "g")
	fails(t, err, ENOENT)
}

func TestTailAndSeek(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "P", &StreamOptions{Subjects: "p.*"}))
	for i := range 5 {
		must[Receipt](t)(bus.Append(ctx, []string{"p.us", "p.eu"}[i%2], []byte(fmt.Sprint(i)), nil))
	}
	sub := must[*Sub](t)(bus.Tail(ctx, "P", &SubOptions{Filter: "p.eu"}))
	is(t, next(t, sub)+next(t, sub), "13")
	ok(t, sub.Close())
	sub = must[*Sub](t)(bus.Tail(ctx, "P", &SubOptions{From: FromSeq, FromSeq: 4}))
	defer sub.Close()
	seq := func() uint64 { return must[*Msg](t)(sub.Next(ctx)).Seq() }
	is(t, seq(), 4)
	ok(t, sub.Seek(ctx, AtSeq(2)))
	is(t, seq(), 2)
	ok(t, sub.Seek(ctx, &At{From: FromLast}))
	is(t, seq(), 5)
	ok(t, sub.Seek(ctx, AtTime(time.Unix(1, 0))))
	is(t, seq(), 1)
	ok(t, sub.Stop())
	is(t, len(must[[]*Msg](t)(sub.Read(ctx, 100))) > 0, true)
}

func TestKeyValue(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	kv := must[*KV](t)(bus.KV(ctx, "conf", &BucketOptions{History: 3}))
	defer kv.Close()
	is(t, must[uint64](t)(kv.Put(ctx, "size", []byte("1"), nil)), 1)
	is(t, must[*Msg](t)(kv.Get(ctx, "size")).Seq(), 1)
	must[uint64](t)(kv.Put(ctx, "size", []byte("2"), nil))
	m := must[*Msg](t)(kv.Get(ctx, "size"))
	is(t, string(m.Data)+m.Key(), "2size")
	_, err := kv.Create(ctx, "size", nil, nil)
	fails(t, err, EEXIST)
	_, err = kv.Put(ctx, "size", nil, &KVOptions{Expect: ptr(uint64(1))})
	fails(t, err, ECONFLICT)
	is(t, must[uint64](t)(kv.Put(ctx, "size", []byte("3"), &KVOptions{Expect: ptr(uint64(2))})), 3)
	all := ""
	for _, m := range must[[]*Msg](t)(kv.History(ctx, "size")) {
		all += string(m.Data)
	}
	is(t, all, "123")
	must[uint64](t)(kv.Create(ctx, "a.b", []byte("x"), nil))
	keys := must[[]string](t)(kv.Keys(ctx, ""))
	slices.Sort(keys)
	is(t, strings.Join(keys, " "), "a.b size")
	is(t, strings.Join(must[[]string](t)(kv.Keys(ctx, "a.*")), " "), "a.b")
	ok(t, kv.Delete(ctx, "size", nil))
	_, err = kv.Get(ctx, "size")
	fails(t, err, ENOENT)
	ok(t, kv.Purge(ctx, "a.b", nil))
	is(t, len(must[[]string](t)(kv.Keys(ctx, ""))), 0)
	_, err = bus.KV(ctx, "none", &BucketOptions{MustExist: true})
	fails(t, err, ENOENT)
}

func TestKeyValueWatch(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	kv := must[*KV](t)(bus.KV(ctx, "conf", nil))
	must[uint64](t)(kv.Put(ctx, "a", []byte("1"), nil))
	must[uint64](t)(kv.Put(ctx, "b", []byte("2"), nil))
	watch := must[*Sub](t)(kv.Watch(ctx, nil))
	defer watch.Close()
	one, two := must[*Msg](t)(watch.Next(ctx)), must[*Msg](t)(watch.Next(ctx))
	is(t, fmt.Sprintf("%s %v %s %v", one.Key(), one.CaughtUp(), two.Key(), two.CaughtUp()),
		"a false b true")
	must[uint64](t)(kv.Put(ctx, "a", []byte("3"), nil))
	ok(t, kv.Delete(ctx, "b", nil))
	is(t, next(t, watch), "3")
	is(t, must[*Msg](t)(watch.Next(ctx)).Deleted(), true)
	got := make(chan string, 10)
	news := must[*Sub](t)(kv.Watch(ctx, &SubOptions{From: FromNew, OnMsg: func(m *Msg) {
		if m.Key() != "" {
			got <- m.Key()
		}
	}}))
	must[uint64](t)(kv.Put(ctx, "c", nil, nil))
	is(t, <-got, "c")
	ok(t, kv.Close())
	ok(t, news.Close())
	<-news.Done()
}

type broken struct{ n int }

func (b *broken) Read(p []byte) (int, error) {
	if b.n++; b.n > 1 {
		return 0, fs.ErrPermission
	}
	return len(p), nil
}

func (b *broken) Write(p []byte) (int, error) { return 0, fs.ErrPermission }

func TestObjects(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	data := make([]byte, 300000)
	rand.New(rand.NewSource(1)).Read(data)
	objs := must[*Objects](t)(bus.Objects(ctx, "files", nil))
	defer objs.Close()
	is(t, must[int64](t)(objs.Put(ctx, "a", bytes.NewReader(data))), 300000)
	ok(t, objs.PutBytes(ctx, "b", data[:10]))
	var sink bytes.Buffer
	is(t, must[int64](t)(objs.Get(ctx, "a", &sink)), 300000)
	is(t, bytes.Equal(sink.Bytes(), data), true)
	is(t, bytes.Equal(must[[]byte](t)(objs.GetBytes(ctx, "b")), data[:10]), true)
	info := must[ObjInfo](t)(objs.Status(ctx, "a"))
	is(t, info.Bytes, 300000)
	is(t, info.SHA256, sha256.Sum256(data))
	names := must[[]string](t)(objs.Names(ctx))
	slices.Sort(names)
	is(t, strings.Join(names, " "), "a b")
	ok(t, objs.Link(ctx, "l", objs, "a"))
	is(t, len(must[[]byte](t)(objs.GetBytes(ctx, "l"))), 300000)
	is(t, must[ObjInfo](t)(objs.Status(ctx, "l")).LinkName, "a")
	watch := must[*ObjectWatch](t)(objs.Watch(ctx, &SubOptions{From: FromNew}))
	ok(t, objs.Delete(ctx, "b"))
	change := must[*ObjectChange](t)(watch.Next(ctx))
	if change.Empty {
		change = must[*ObjectChange](t)(watch.Next(ctx))
	}
	is(t, change.Name == "b" && change.Deleted, true)
	ok(t, watch.Close())
	_, err := objs.Get(ctx, "b", io.Discard)
	fails(t, err, ENOENT)
	_, err = objs.Put(ctx, "c", &broken{})
	fails(t, err, fs.ErrPermission)
	_, err = objs.Get(ctx, "a", &broken{})
	fails(t, err, fs.ErrPermission)
	gone, cancel := context.WithCancel(ctx)
	_, err = objs.Put(gone, "c", io.MultiReader(bytes.NewReader(data), readerFunc(func(p []byte) (int,
		error) {
		cancel()
		return len(p), nil
	})))
	fails(t, err, context.Canceled)
	fails(t, err, ECANCELED)
	is(t, len(must[[]string](t)(objs.Names(ctx))), 2)
	ok(t, objs.Seal(ctx))
	is(t, objs.PutBytes(ctx, "d", nil) != nil, true)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestBrokerAndListener(t *testing.T) {
	ctx := soon(t)
	broker, at := serve(t, &BrokerOptions{JetStream: true, Name: "b1"})
	inside := must[*Bus](t)(broker.Bus(nil))
	defer inside.Close()
	outside := must[*Bus](t)(Open(ctx, "nats://"+at, &Options{Name: "me"}))
	sub, other := hear(t, inside, "a", nil), hear(t, outside, "b.*", nil)
	ok(t, outside.Publish("a", []byte("1"), nil))
	is(t, next(t, sub), "1")
	ok(t, inside.Publish("b.x", []byte("2"), nil))
	is(t, next(t, other), "2")
	conns := must[[]ConnInfo](t)(broker.Conns(0))
	is(t, len(conns), 1)
	is(t, conns[0].Name, "me")
	is(t, len(must[[]ConnInfo](t)(broker.Conns(conns[0].ID))), 0)
	subs, total, err := broker.Subs(&ConnSubsOptions{Matches: "b.y"})
	ok(t, err)
	is(t, total, 1)
	is(t, subs[0].Subject, "b.*")
	must[bool](t)(inside.StreamEnsure(ctx, "S", nil))
	is(t, must[Receipt](t)(outside.Append(ctx, "S", nil, nil)).Seq, 1)
	sub = must[*Sub](t)(outside.Consume(ctx, "S", &SubOptions{Group: "g"}))
	m := must[*Msg](t)(sub.Next(ctx))
	ok(t, m.Ack())
	for range 2 {
		must[Receipt](t)(inside.Append(ctx, "S", nil, nil)) // while it waits, and before
		ok(t, must[*Msg](t)(sub.Next(ctx)).Ack())
	}
	is(t, strings.Contains(string(must[*Msg](t)(inside.JetStreamAsk(ctx, "$JS.API.STREAM.NAMES",
		nil)).Data), "streams"), true)
	is(t, must[Stats](t)(broker.Stats()).Conns, 1)
	about := must[BrokerInfo](t)(broker.About())
	is(t, about.Name, "b1")
	ok(t, outside.Flush(ctx))
	ok(t, outside.Close())
	until(t, func() bool { return must[Stats](t)(broker.Stats()).Conns == 0 })
	ok(t, broker.LameDuck(0, 0))
}

func TestEveryUrl(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	broker, at := serve(t, &BrokerOptions{JetStream: true, Dir: dir + "/broker"})
	must[int](t)(broker.Listen("unix:"+dir+"/socket", nil))
	kafka := must[int](t)(broker.Listen("kafka://127.0.0.1:0", nil))
	for i, url := range []string{"mem:", "mem:go", "file:" + dir + "/a", "nats://" + at,
		"unix:" + dir + "/socket", fmt.Sprintf("kafka://127.0.0.1:%d", kafka)} {
		bus, err := Open(ctx, url, nil)
		if errors.Is(err, ENOTSUP) && strings.HasPrefix(url, "kafka:") {
			continue // a library without librdkafka
		}
		ok(t, err)
		name := fmt.Sprint("S", i)
		must[bool](t)(bus.StreamEnsure(ctx, name, nil))
		is(t, must[Receipt](t)(bus.Append(ctx, name, []byte(url), nil)).Seq, 1)
		sub := must[*Sub](t)(bus.Consume(ctx, name, &SubOptions{Group: "g"}))
		m := must[*Msg](t)(sub.Next(ctx))
		is(t, string(m.Data), url)
		ok(t, m.Ack())
		ok(t, bus.Flush(ctx))
		is(t, must[GroupInfo](t)(bus.GroupStatus(ctx, name, "g")).SettledSeq, 1)
		ok(t, sub.Close())
		ok(t, bus.Close())
	}
	one, other := open(t, "mem:go", nil), open(t, "mem:go", nil)
	sub := hear(t, one, "a", nil)
	ok(t, other.Publish("a", []byte("seen"), nil))
	is(t, next(t, sub), "seen")
	_, err := Open(ctx, "gopher://here", nil)
	fails(t, err, EINVAL)
}

func TestBrokerUsers(t *testing.T) {
	ctx := soon(t)
	users := []User{{User: "a", Password: "x"},
		{User: "b", Password: "y", PublishAllow: []string{"open.>", "_INBOX.>"}}}
	broker, at := serve(t, &BrokerOptions{Users: users})
	_, err := Open(ctx, "nats://"+at, &Options{NoRedial: true})
	fails(t, err, fs.ErrPermission)
	refused := make(chan *Event, 10)
	bus := must[*Bus](t)(Open(ctx, "nats://b:y@"+at, &Options{OnEvent: func(e *Event) {
		if e.Kind == EventError {
			refused <- e
		}
	}}))
	ok(t, bus.Publish("closed", nil, nil))
	ok(t, bus.Flush(ctx))
	is(t, (<-refused).Err, EAUTH)
	ok(t, bus.Close())
	narrow := must[*Bus](t)(broker.Bus(&Options{Identity: &users[1]}))
	ok(t, narrow.Publish("open.x", nil, nil))
	fails(t, narrow.Publish("closed", nil, nil), EAUTH)
	ok(t, narrow.Close())
	ok(t, broker.Reload(&BrokerOptions{Users: users[:1]}))
	_, err = Open(ctx, "nats://b:y@"+at, &Options{NoRedial: true})
	fails(t, err, EAUTH)
}

func TestBrokerThatAsksWhoComes(t *testing.T) {
	ctx := soon(t)
	_, at := serve(t, &BrokerOptions{OnLogin: func(l *Login) {
		switch {
		case l.User == "panic":
			panic("who is that?")
		case l.User == "forgotten":
			return
		case l.User == "later":
			go func() { time.Sleep(5 * time.Millisecond); l.Accept(User{User: "z"}) }()
		case l.Password == "right":
			l.Accept(User{User: l.User})
			if l.Refuse("again") == nil || l.Token != "" || l.Encrypted {
				panic("answered twice")
			}
		default:
			l.Refuse("no such password")
		}
	}})
	for _, good := range []string{"a:right", "later:x"} {
		bus := must[*Bus](t)(Open(ctx, "nats://"+good+"@"+at, nil))
		ok(t, bus.Flush(ctx))
		ok(t, bus.Close())
	}
	for _, bad := range []string{"a:wrong", "panic:x"} {
		_, err := Open(ctx, "nats://"+bad+"@"+at, &Options{NoRedial: true})
		fails(t, err, EAUTH)
	}
}

func TestEvents(t *testing.T) {
	var mu sync.Mutex
	var seen []*Event
	bus := must[*Bus](t)(Open(soon(t), "mem:", &Options{OnEvent: func(e *Event) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, e)
	}}))
	first := func(kind EventKind) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(seen, func(e *Event) bool { return e.Kind == kind })
		}
	}
	sub := hear(t, bus, "a", &SubOptions{PendingMsgs: 1})
	for range 5 {
		ok(t, bus.Publish("a", nil, nil))
	}
	until(t, first(EventSlow))
	is(t, must[SubInfo](t)(sub.Status(soon(t))).DroppedMsgs, 4)
	ok(t, bus.Close())
	until(t, first(EventClosed))
	is(t, seen[0].Kind, EventUp)
	slow := seen[slices.IndexFunc(seen, func(e *Event) bool { return e.Kind == EventSlow })]
	is(t, slow.Sub == sub && slow.Count >= 1 && slow.First == 2, true)
}

func TestForwarding(t *testing.T) {
	ctx, here, there := soon(t), open(t, "mem:", nil), open(t, "mem:", nil)
	must[bool](t)(here.StreamEnsure(ctx, "A", nil))
	must[bool](t)(there.StreamEnsure(ctx, "B", &StreamOptions{Subjects: "A"}))
	must[Receipt](t)(here.Append(ctx, "A", nil, nil))
	f := must[*Forward](t)(here.Forward("A", there, "B", &ForwardOptions{Name: "f"}))
	until(t, func() bool { return must[StreamInfo](t)(there.StreamStatus(ctx, "B")).Msgs == 1 })
	until(t, func() bool { return must[ForwardInfo](t)(f.Status(ctx)).Msgs == 1 })
	is(t, must[ForwardInfo](t)(f.Status(ctx)).Up, true)
	ok(t, f.Close())
	_, err := f.Status(ctx)
	fails(t, err, ECLOSED)
	_, err = here.Forward("A", there, "B", nil)
	fails(t, err, EINVAL)
}

func TestCareOfAStore(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	bus := open(t, "file:"+dir+"/a", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	must[Receipt](t)(bus.Append(ctx, "S", make([]byte, 1000), nil))
	reports := 0
	is(t, must[int](t)(bus.StoreCheck(ctx, func(c Care) {
		reports++
		if c.Damage != nil {
			t.Error(c.Damage.Sentence)
		}
	})), 0)
	must[int](t)(bus.StoreCheck(ctx, nil))
	ok(t, bus.StoreSnapshot(ctx, dir+"/b"))
	fails(t, bus.StoreSnapshot(ctx, dir+"/b"), EEXIST)
	ok(t, bus.Close())
	is(t, must[int](t)(Salvage(ctx, dir+"/b", "", nil)), 0)
	is(t, must[int](t)(Salvage(ctx, dir+"/b", dir+"/c", func(Care) {})), 0)
	is(t, must[StreamInfo](t)(open(t, "file:"+dir+"/c", nil).StreamStatus(ctx, "S")).Msgs, 1)
	_, err := Salvage(ctx, filepath.Join(dir, "none"), "", nil)
	fails(t, err, ENOENT)
	_, err = open(t, "mem:", nil).StoreCheck(ctx, nil)
	fails(t, err, errors.ErrUnsupported)
}

func TestALoopOfOnesOwn(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", &Options{Drive: DriveHost})
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	is(t, must[Receipt](t)(bus.Append(ctx, "S", nil, nil)).Seq, 1)
	sub := hear(t, bus, "a", nil)
	ok(t, bus.Publish("a", []byte("1"), nil))
	is(t, next(t, sub), "1")
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err := sub.Next(short)
	fails(t, err, context.DeadlineExceeded)
	hear(t, bus, "mute", nil)
	short, cancel = context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err = bus.Request(short, "mute", nil, nil)
	fails(t, err, context.DeadlineExceeded)
	is(t, must[uintptr](t)(bus.Fd()) > 0, true)
	over, cancel := context.WithCancel(ctx)
	cancel()
	is(t, must[int](t)(bus.Poll(over)), 0)
	bus.WaitTime()
	_, err = open(t, "mem:", nil).Fd()
	fails(t, err, EINVAL)
}

func TestAWireOfOnesOwn(t *testing.T) {
	ctx := soon(t)
	broker := must[*Broker](t)(OpenBroker(nil))
	defer broker.Close()
	bus := must[*Bus](t)(Open(ctx, "nats://depot", &Options{
		Dial: func(address string) (*Wire, error) {
			ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil || address != "depot:4222" {
				return nil, errors.Join(err, errors.New(address))
			}
			far, err := SocketWire(uintptr(ends[1]))
			if err == nil {
				err = broker.Accept("nats://depot", far)
			}
			if err != nil {
				return nil, err
			}
			return SocketWire(uintptr(ends[0]))
		}}))
	sub := hear(t, bus, "a", nil)
	ok(t, bus.Publish("a", make([]byte, 100000), nil))
	is(t, len(next(t, sub)), 100000)
	ok(t, bus.Close())
	spare := &pipe{}
	wire := must[*Wire](t)(NewWire(spare))
	wire.Ready()
	ok(t, wire.Close())
	ok(t, wire.Close())
	wire.Ready()
	is(t, spare.closed, true)
	_, err := Open(ctx, "nats://depot", &Options{NoRedial: true,
		Dial: func(string) (*Wire, error) { panic("no line") }, OnPanic: func(any, []byte) {}})
	fails(t, err, ECONN)
	_, err = Open(ctx, "nats://depot", &Options{NoRedial: true,
		Dial: func(string) (*Wire, error) { return nil, nil }})
	fails(t, err, ECONN)
}

type pipe struct{ closed bool }

func (*pipe) Read([]byte) (int, error)    { return 0, EAGAIN }
func (*pipe) Write(p []byte) (int, error) { return len(p), nil }
func (p *pipe) Close() error              { p.closed = true; return nil }

func TestManyGoroutines(t *testing.T) {
	bus := open(t, "mem:", nil)
	var subs []*Sub
	var got atomic.Int32
	var readers, writers sync.WaitGroup
	for range 3 {
		subs = append(subs, hear(t, bus, "t", &SubOptions{Group: "g", PendingMsgs: 100000}))
	}
	for _, sub := range subs {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for range sub.Messages(background) {
				got.Add(1)
			}
		}()
	}
	for range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range 2500 {
				if err := bus.Publish("t", []byte("x"), nil); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	writers.Wait()
	for _, sub := range subs {
		ok(t, sub.Stop())
	}
	readers.Wait()
	is(t, got.Load(), 10000)
}

func TestDrainAndFlush(t *testing.T) {
	bus := open(t, "mem:", nil)
	var got atomic.Int32
	hear(t, bus, "a", &SubOptions{OnMsg: func(*Msg) { got.Add(1) }})
	for range 1000 {
		ok(t, bus.Publish("a", nil, nil))
	}
	ok(t, bus.Flush(soon(t)))
	ok(t, bus.Drain(soon(t)))
	is(t, got.Load(), 1000)
}

func TestStoreOnDisk(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	for i := range 2 {
		bus := must[*Bus](t)(Open(ctx, "file:"+dir, &Options{Sync: SyncNever}))
		must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
		is(t, must[Receipt](t)(bus.Append(ctx, "S", nil, nil)).Seq, uint64(i+1))
		is(t, must[Stats](t)(bus.Stats()).StoreFileBytes > 0, true)
		ok(t, bus.Shutdown(ctx))
	}
	_, err := os.Stat(dir)
	ok(t, err)
}
