// SPDX-License-Identifier: Apache-2.0

package rill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

// What must not be is an error, and never a crash; and nothing is left behind. A row a case.

func TestNumbersOutOfRange(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	_, err := bus.Subscribe(ctx, "a", &SubOptions{AckWait: -time.Second})
	fails(t, err, EINVAL)
	is(t, strings.Contains(err.Error(), "ack_wait_ms"), true)
	_, err = bus.StreamEnsure(ctx, "S", &StreamOptions{DedupeWindow: 100 * 24 * time.Hour})
	fails(t, err, EINVAL)
	_, err = bus.StreamEnsure(ctx, "S", &StreamOptions{MaxAge: -time.Second})
	fails(t, err, EINVAL)
	_, err = bus.Subscribe(ctx, "a", &SubOptions{WhenFull: 77})
	fails(t, err, EINVAL)
	fails(t, bus.Publish("a", nil, &Post{TTL: math.MaxInt64}), EINVAL)
	is(t, int(millis(math.MaxInt64)), math.MaxInt32)
	is(t, int(millis(1)), 1)
	is(t, int(millis(-1)), 0)
}

func TestTextsThatAreNone(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	for _, bad := range []string{"", "a b", "a\x00b", "a..b", strings.Repeat("x", 2000)} {
		fails(t, bus.Publish(bad, nil, nil), EINVAL)
		fails(t, bus.Publish(bad, nil, &Post{MsgID: "x"}), EINVAL)
		_, err := bus.PublishAll(bad, [][]byte{nil}, nil)
		fails(t, err, EINVAL)
		_, err = bus.Subscribe(ctx, bad, nil)
		fails(t, err, EINVAL)
		_, err = bus.Append(ctx, bad, nil, nil)
		fails(t, err, EINVAL)
		_, err = bus.Request(ctx, bad, nil, nil)
		fails(t, err, EINVAL)
		if _, err = bus.StreamStatus(ctx, bad); !errors.Is(err, EINVAL) && !errors.Is(err, ENOENT) {
			t.Fatal(err)
		}
	}
	_, err := Open(ctx, "mem:\x00", nil)
	fails(t, err, EINVAL)
	_, err = bus.Subscribe(ctx, "a", &SubOptions{Group: "a\x00b"})
	fails(t, err, EINVAL)
	is(t, strings.Contains(err.Error(), "group"), true)
	fails(t, bus.Publish("a", make([]byte, 2<<20), nil), ETOOBIG)
}

func TestClosedHandles(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
	sub, jobs := hear(t, bus, "a", nil), must[*Sub](t)(bus.Consume(ctx, "S", nil))
	kv := must[*KV](t)(bus.KV(ctx, "b", nil))
	objs := must[*Objects](t)(bus.Objects(ctx, "c", nil))
	batch := must[*Batch](t)(bus.Batch(nil))
	m := must[*Msg](t)(jobs.Next(ctx))
	ok(t, bus.Close())
	ok(t, bus.Close())
	closed := func() {
		t.Helper()
		for name, call := range map[string]func() error{
			"publish":   func() error { return bus.Publish("a", nil, nil) },
			"all":       func() error { _, err := bus.PublishAll("a", [][]byte{nil}, nil); return err },
			"subscribe": func() error { _, err := bus.Subscribe(ctx, "a", nil); return err },
			"kv":        func() error { _, err := bus.KV(ctx, "b", nil); return err },
			"stats":     func() error { _, err := bus.Stats(); return err },
			"poll":      func() error { _, err := bus.Poll(ctx); return err },
			"fd":        func() error { _, err := bus.Fd(); return err },
			"batch":     func() error { _, err := bus.Batch(nil); return err },
			"inbox":     func() error { _, err := bus.Inbox(); return err },
			"request":   func() error { _, err := bus.Request(ctx, "a", nil, nil); return err },
			"append":    func() error { _, err := bus.Append(ctx, "S", nil, nil); return err },
			"async":     func() error { _, err := bus.AppendAsync("S", nil, nil); return err },
			"flush":     func() error { return bus.Flush(ctx) },
			"drain":     func() error { return bus.Drain(ctx) },
			"check":     func() error { _, err := bus.StoreCheck(ctx, nil); return err },
			"next":      func() error { _, err := sub.Next(ctx); return err },
			"read":      func() error { _, err := sub.Read(ctx, 1); return err },
			"seek":      func() error { return jobs.Seek(ctx, AtSeq(1)) },
			"status":    func() error { _, err := jobs.Status(ctx); return err },
			"put":       func() error { _, err := kv.Put(ctx, "a", nil, nil); return err },
			"get":       func() error { _, err := objs.Get(ctx, "a", os.Stdout); return err },
			"store":     func() error { _, err := objs.Put(ctx, "a", strings.NewReader("")); return err },
			"add":       func() error { return batch.Add("S", nil, nil) },
			"commit":    func() error { _, err := batch.Commit(ctx); return err },
			"ack":       m.Ack,
		} {
			if err := call(); !errors.Is(err, ECLOSED) || !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	closed()
	for _, h := range []interface{ Close() error }{sub, jobs, kv, objs, batch} {
		ok(t, h.Close())
		ok(t, h.Close())
	}
	closed()
	broker := must[*Broker](t)(OpenBroker(nil))
	inside := must[*Bus](t)(broker.Bus(nil))
	ok(t, broker.Close())
	_, err := broker.Stats()
	fails(t, err, ECLOSED)
	_, err = broker.Bus(nil)
	fails(t, err, ECLOSED)
	fails(t, inside.Publish("a", nil, nil), ECLOSED)
	ok(t, inside.Close())
}

func TestHandlesThatWereNeverOpened(t *testing.T) {
	ctx := soon(t)
	var bus Bus
	fails(t, bus.Publish("a", nil, nil), ECLOSED)
	_, err := bus.Subscribe(ctx, "a", nil)
	fails(t, err, ECLOSED)
	_, err = new(Sub).Next(ctx)
	fails(t, err, ECLOSED)
	_, err = new(KV).Get(ctx, "a")
	fails(t, err, ECLOSED)
	_, err = new(Objects).Names(ctx)
	fails(t, err, ECLOSED)
	fails(t, new(Batch).Add("a", nil, nil), ECLOSED)
	_, err = new(Broker).Listen("nats://127.0.0.1:0", nil)
	fails(t, err, ECLOSED)
	_, err = new(Forward).Status(ctx)
	fails(t, err, ECLOSED)
	for _, h := range []interface{ Close() error }{&bus, new(Sub), new(KV), new(Objects), new(Batch),
		new(Broker), new(Forward), new(Wire)} {
		ok(t, h.Close())
	}
	broker := must[*Broker](t)(OpenBroker(nil))
	defer broker.Close()
	fails(t, broker.Accept("nats://x", nil), ECLOSED)
	fails(t, broker.Accept("nats://x", new(Wire)), ECLOSED)
	fails(t, new(Login).Refuse("x"), EINVAL)
}

func TestHandlersThatPanic(t *testing.T) {
	ctx := soon(t)
	said := make(chan any, 10)
	bus := open(t, "mem:", &Options{
		OnEvent: func(*Event) { panic("event") },
		OnPanic: func(v any, stack []byte) {
			if !bytes.Contains(stack, []byte("bad_input_test.go")) {
				v = "no stack"
			}
			said <- v
		}})
	is(t, (<-said).(string), "event")
	hear(t, bus, "a", &SubOptions{OnMsg: func(m *Msg) { panic("message") }})
	ok(t, bus.Publish("a", nil, nil))
	is(t, (<-said).(string), "message")
	ok(t, bus.Publish("a", nil, nil)) // it goes on
	is(t, (<-said).(string), "message")
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	for _, ack := range []AckMode{AckEach, AckAuto} {
		must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
		deliveries := make(chan int, 10)
		sub := must[*Sub](t)(bus.Consume(ctx, "S", &SubOptions{Group: "g" + strconv.Itoa(int(ack)),
			Ack: ack, From: FromLast, OnMsg: func(m *Msg) {
				deliveries <- m.Deliveries()
				if m.Deliveries() == 1 {
					panic("so it comes again")
				}
				m.Ack()
			}}))
		is(t, <-deliveries, 1)
		is(t, <-deliveries, 2)
		<-said
		ok(t, sub.Close())
	}
	objs := must[*Objects](t)(bus.Objects(ctx, "o", nil))
	defer func() { is(t, recover().(string), "reader") }()
	objs.Put(ctx, "x", readerFunc(func([]byte) (int, error) { panic("reader") }))
}

func TestGoexitInAHandler(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "a", &SubOptions{OnMsg: func(m *Msg) { runtime.Goexit() }})
	ok(t, bus.Publish("a", nil, nil))
	<-sub.Done()
	ok(t, sub.Close())
}

func TestClosingInAHandler(t *testing.T) {
	bus := open(t, "mem:", nil)
	done := make(chan error, 1)
	subs := make(chan *Sub, 1)
	sub := hear(t, bus, "a", &SubOptions{OnMsg: func(m *Msg) {
		err := (<-subs).Close()
		done <- errors.Join(err, bus.Close())
	}})
	subs <- sub
	ok(t, bus.Publish("a", nil, nil))
	ok(t, <-done)
	<-sub.Done()
	_, err := sub.Next(background)
	fails(t, err, ECLOSED)
}

func TestClosedWhileItIsRead(t *testing.T) {
	for i := range 50 {
		bus := must[*Bus](t)(Open(background, "mem:", nil))
		sub := must[*Sub](t)(bus.Subscribe(background, "a", nil))
		end := make(chan error)
		go func() { _, err := sub.Next(background); end <- err }()
		until(t, func() bool {
			sub.mu.Lock()
			defer sub.mu.Unlock()
			return sub.file != nil // it waits, or is about to
		})
		if i%2 == 0 {
			ok(t, sub.Close())
		} else {
			ok(t, bus.Close())
		}
		fails(t, <-end, ECLOSED)
		ok(t, sub.Close())
		ok(t, bus.Close())
	}
}

func TestABusClosedUnderItsCallers(t *testing.T) {
	for range 20 {
		bus := must[*Bus](t)(Open(background, "mem:", nil))
		sub := must[*Sub](t)(bus.Subscribe(background, "a", nil))
		mute := must[*Sub](t)(bus.Subscribe(background, "mute", nil))
		kv := must[*KV](t)(bus.KV(background, "b", nil))
		var all sync.WaitGroup
		run := func(f func() error) {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					if err := f(); err != nil {
						if !errors.Is(err, ECLOSED) && !errors.Is(err, EUNSURE) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		run(func() error { _, err := bus.Request(background, "mute", nil, nil); return err })
		run(func() error { return bus.Publish("a", []byte("x"), nil) })
		run(func() error { _, err := bus.PublishAll("a", [][]byte{{1}, {2}}, nil); return err })
		run(func() error { _, err := sub.Read(background, 10); return err })
		run(func() error { _, err := kv.Put(background, "k", nil, nil); return err })
		run(func() error {
			s, err := bus.Subscribe(background, "c", nil)
			if err == nil {
				s.Close()
			}
			return err
		})
		must[*Msg](t)(mute.Next(soon(t)))
		ok(t, bus.Close())
		all.Wait()
	}
}

func TestCanceledInTheMiddle(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "a", nil)
	hear(t, bus, "mute", nil)
	var asked sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithCancel(background)
		asked.Add(2)
		go func() {
			defer asked.Done()
			if _, err := bus.Request(ctx, "mute", nil, nil); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		go func() { defer asked.Done(); time.Sleep(time.Duration(i%7) * time.Microsecond * 50); cancel() }()
		if m, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(m, err)
		}
	}
	asked.Wait()
	ok(t, bus.Publish("a", []byte("1"), nil))
	is(t, next(t, sub), "1")
	_, err := Open(must2(context.WithCancel(background)), "mem:", nil)
	fails(t, err, context.Canceled)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = Open(ctx, "nats://192.0.2.1", &Options{ConnectTimeout: 60 * time.Second, NoRedial: true})
	is(t, err != nil && time.Since(began) < 30*time.Second, true)
}

func must2(ctx context.Context, cancel func()) context.Context {
	cancel()
	return ctx
}

func TestFinalizersInAnyOrder(t *testing.T) {
	for range 20 {
		func() {
			ctx := background
			bus := must[*Bus](t)(Open(ctx, "mem:", &Options{OnEvent: func(*Event) {}}))
			must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
			must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
			sub := must[*Sub](t)(bus.Subscribe(ctx, "a", nil))
			jobs := must[*Sub](t)(bus.Consume(ctx, "S", &SubOptions{Group: "g"}))
			must[*Msg](t)(jobs.Next(ctx)) // never settled
			must[*KV](t)(bus.KV(ctx, "b", nil))
			must[*Objects](t)(bus.Objects(ctx, "c", nil))
			must[*Batch](t)(bus.Batch(nil))
			ok(t, bus.Publish("a", []byte("x"), nil))
			must[*Msg](t)(sub.Next(ctx))
			broker := must[*Broker](t)(OpenBroker(nil))
			must[int](t)(broker.Listen("nats://127.0.0.1:0", nil))
		}()
		runtime.GC()
	}
	until(t, func() bool { // the last of a named broker has gone when its messages have
		runtime.GC()
		return threads() < 60
	})
}

func threads() int {
	list, _ := os.ReadDir("/proc/self/task")
	return len(list)
}

func TestNothingIsLeft(t *testing.T) {
	closed := make(chan struct{})
	func() {
		bus := must[*Bus](t)(Open(background, "mem:", &Options{OnEvent: func(e *Event) {
			if e.Kind == EventClosed {
				close(closed)
			}
		}}))
		must[*Sub](t)(bus.Subscribe(background, "a", nil))
	}()
	until(t, func() bool {
		runtime.GC()
		select {
		case <-closed:
			return true
		default:
			return false
		}
	})
}

// A child of another program does not hold what this one has.
func TestForkAndExec(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	bus := must[*Bus](t)(Open(ctx, "file:"+dir, nil))
	sub := hear(t, bus, "a", nil)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := sub.Next(short) // it has a descriptor now
	fails(t, err, ETIMEDOUT)
	child := exec.Command("sh", "-c", "ls -l /proc/self/fd; read line")
	in := must[interface{ Close() error }](t)(child.StdinPipe())
	var said bytes.Buffer
	child.Stdout = &said
	ok(t, child.Start())
	ok(t, bus.Close())
	again := must[*Bus](t)(Open(ctx, "file:"+dir, nil)) // the child has no lock on it
	ok(t, again.Close())
	ok(t, in.Close())
	child.Wait()
	if strings.Contains(said.String(), "eventfd") || strings.Contains(said.String(), dir) {
		t.Fatal(said.String())
	}
}

// A program ends with all of it open, while handlers run and goroutines wait.
func TestExitWithAllOpen(t *testing.T) {
	if os.Getenv("RILL_TEST_EXIT") != "" {
		leaveAllOpen(t)
	}
	self := exec.Command(os.Args[0], "-test.run=^TestExitWithAllOpen$")
	self.Env = append(os.Environ(), "RILL_TEST_EXIT=1")
	out, err := self.CombinedOutput()
	var e *exec.ExitError
	if !errors.As(err, &e) || e.ExitCode() != 7 {
		t.Fatalf("%v\n%s", err, out)
	}
}

func leaveAllOpen(t *testing.T) {
	broker := must[*Broker](t)(OpenBroker(&BrokerOptions{JetStream: true}))
	port := must[int](t)(broker.Listen("nats://127.0.0.1:0", nil))
	for _, url := range []string{"mem:", fmt.Sprint("nats://127.0.0.1:", port)} {
		bus := must[*Bus](t)(Open(background, url, &Options{OnEvent: func(*Event) {}}))
		must[bool](t)(bus.StreamEnsure(background, "S", &StreamOptions{InMemory: true}))
		must[*Sub](t)(bus.Subscribe(background, "a", &SubOptions{OnMsg: func(*Msg) {}}))
		sub := must[*Sub](t)(bus.Subscribe(background, "b", nil))
		go sub.Next(background)
		go bus.Request(background, "b", nil, nil)
		kv := must[*KV](t)(bus.KV(background, "k", &BucketOptions{InMemory: true}))
		must[*Sub](t)(kv.Watch(background, nil))
		must[*Future](t)(bus.AppendAsync("S", nil, nil))
		ok(t, must[*Batch](t)(bus.Batch(nil)).Add("S", nil, nil))
		for range 1000 {
			ok(t, bus.Publish("a", []byte("x"), nil))
		}
	}
	os.Exit(7)
}

func resident() int {
	b, _ := os.ReadFile("/proc/self/statm")
	n, _ := strconv.Atoi(strings.Fields(string(b))[1])
	return n * os.Getpagesize()
}

func TestAMillionMessagesLeaveNothing(t *testing.T) {
	bus := open(t, "mem:", nil)
	ctx := soon(t)
	sub := hear(t, bus, "a", nil)
	var heard atomic.Int64
	hear(t, bus, "b", &SubOptions{OnMsg: func(m *Msg) { heard.Add(1) }})
	must[bool](t)(bus.StreamEnsure(ctx, "S", &StreamOptions{Keep: KeepWork}))
	jobs := must[*Sub](t)(bus.Consume(ctx, "S", &SubOptions{Group: "g"}))
	data := make([][]byte, 500)
	for i := range data {
		data[i] = make([]byte, 128)
	}
	sent := int64(0)
	work := func(rounds int) {
		for range rounds {
			must[int](t)(bus.PublishAll("a", data, nil))
			for range 500 {
				must[*Msg](t)(sub.Next(background))
			}
			must[int](t)(bus.PublishAll("b", data, nil))
			sent += 500
			until(t, func() bool { return heard.Load() == sent })
			ok(t, bus.Publish("a", nil, &Post{Headers: []Header{{"A", "b"}}, Reply: "c"}))
			must[*Msg](t)(sub.Next(background))
			must[Receipt](t)(bus.Append(background, "S", data[0], nil))
			m := must[*Msg](t)(jobs.Next(background))
			if sent%1000 == 0 {
				ok(t, m.Ack())
			} else {
				ok(t, m.Nak(0))
				ok(t, must[*Msg](t)(jobs.Next(background)).Ack())
			}
		}
	}
	work(100)
	runtime.GC()
	before := resident()
	work(900)
	runtime.GC()
	if grown := resident() - before; grown > 32<<20 {
		t.Fatal(grown)
	}
}

func TestHandlesLeaveNothing(t *testing.T) {
	work := func(n int) {
		for range n {
			bus := must[*Bus](t)(Open(background, "mem:", &Options{OnEvent: func(*Event) {}}))
			done := make(chan struct{})
			sub := must[*Sub](t)(bus.Subscribe(background, "a", &SubOptions{OnMsg: func(*Msg) {
				close(done)
			}}))
			ok(t, bus.Publish("a", nil, nil))
			<-done
			_, err := bus.Request(background, "nobody", nil, nil)
			fails(t, err, ENOREPLY)
			_, err = bus.KV(background, "a.b", nil)
			fails(t, err, EINVAL)
			ok(t, sub.Close())
			ok(t, bus.Close())
		}
	}
	grown := 0
	for range 8 { // allocators take some rounds until they have enough; what is lost is lost in each
		before, goroutines := resident(), runtime.NumGoroutine()
		work(100)
		runtime.GC()
		until(t, func() bool { return runtime.NumGoroutine() <= goroutines })
		if grown = resident() - before; grown < 1<<20 {
			return
		}
	}
	t.Fatal(grown)
}

// A client that takes nothing: it subscribes to "a" and says when it is asked for its bytes.
type stalled struct {
	in    []byte
	moved atomic.Int64
	gone  atomic.Bool
}

func (s *stalled) Read(p []byte) (int, error) {
	s.moved.Add(1)
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *stalled) Write([]byte) (int, error) {
	s.moved.Add(1)
	if s.gone.Load() {
		return 0, ECONN
	}
	return 0, EAGAIN
}

func (s *stalled) Close() error { return nil }

// Whoever publishes to a broker without a thread may turn its doors, and so come back to Go.
func TestAPublishThatTurnsDoors(t *testing.T) {
	broker := must[*Broker](t)(OpenBroker(&BrokerOptions{Drive: DriveHost}))
	defer broker.Close()
	mover := must[*Bus](t)(broker.Bus(&Options{Drive: DriveHost}))
	defer mover.Close()
	bus := must[*Bus](t)(broker.Bus(nil))
	defer bus.Close()
	client := &stalled{in: []byte("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n")}
	wire := must[*Wire](t)(NewWire(client))
	ok(t, broker.Accept("nats://depot", wire))
	subs := func(n uint64) func() bool {
		over := must2(context.WithCancel(background))
		return func() bool {
			wire.Ready()
			must[int](t)(mover.Poll(over))
			return must[Stats](t)(broker.Stats()).Subs == n
		}
	}
	until(t, subs(1))
	before, data := client.moved.Load(), make([]byte, 512<<10)
	until(t, func() bool {
		wire.Ready()
		ok(t, bus.Publish("a", data, nil))
		return client.moved.Load() != before
	})
	client.gone.Store(true)
	until(t, subs(0))
}

// Close ends a publish that waits for a reader without room, however long it may wait.
func TestClosedWhileAPublishWaits(t *testing.T) {
	for name, publish := range map[string]func(bus *Bus) error{
		"one":     func(bus *Bus) error { return bus.Publish("a", []byte("2"), nil) },
		"post":    func(bus *Bus) error { return bus.Publish("a", []byte("2"), &Post{MsgID: "x"}) },
		"many":    func(bus *Bus) error { _, err := bus.PublishAll("a", [][]byte{{2}, {3}}, nil); return err },
		"request": func(bus *Bus) error { _, err := bus.Request(background, "a", nil, nil); return err },
	} {
		bus := must[*Bus](t)(Open(background, "mem:", &Options{SendTimeout: -1}))
		must[*Sub](t)(bus.Subscribe(background, "a", &SubOptions{PendingMsgs: 1, WhenFull: FullBlock}))
		ok(t, bus.Publish("a", []byte("1"), nil))
		end := make(chan error, 1)
		go func() { end <- publish(bus) }()
		until(t, func() bool { return bus.state.Load()&guardCount == 1 }) // it is in its call
		closed := make(chan error, 1)
		go func() { closed <- bus.Close() }()
		select {
		case err := <-closed:
			ok(t, err)
		case <-time.After(50 * time.Second):
			t.Fatal(name, "keeps the bus from being closed")
		}
		fails(t, <-end, ECLOSED)
	}
}

// What waits longer than one look into C goes when there is room, each message once and in order;
// and it does not wait longer than it may.
func TestPublishesThatWaitForRoom(t *testing.T) {
	bus := open(t, "mem:", &Options{SendTimeout: 30 * time.Second})
	sub := hear(t, bus, "a", &SubOptions{PendingMsgs: 2, WhenFull: FullBlock})
	data := [][]byte{[]byte("1"), []byte("22"), nil, []byte("4"), []byte("55"), nil}
	end := make(chan error, 1)
	go func() {
		n, err := bus.PublishAll("a", data, nil)
		if err == nil && n != len(data) {
			err = errors.New(strconv.Itoa(n))
		}
		end <- err
	}()
	slow := time.NewTicker(sendSlice * 3 / 2)
	defer slow.Stop()
	for _, d := range data {
		<-slow.C
		is(t, next(t, sub), string(d))
	}
	ok(t, <-end)
	brief := open(t, "mem:", &Options{SendTimeout: 3 * sendSlice})
	hear(t, brief, "a", &SubOptions{PendingMsgs: 1, WhenFull: FullBlock})
	ok(t, brief.Publish("a", nil, nil))
	began := time.Now()
	n, err := brief.PublishAll("a", data, nil)
	fails(t, err, EAGAIN)
	is(t, n == 0 && time.Since(began) >= 3*sendSlice, true)
}

// A message that Consume brings outside of any stream is not one to be acked, and is let go.
func TestUnstoredMessagesOfConsumeAreLetGo(t *testing.T) {
	bus := open(t, "mem:", nil)
	sub := hear(t, bus, "a", nil)
	sub.acked = true // so that live messages, which have no stream, are read as Consume reads
	data := make([]byte, 512<<10)
	work := func(n int) {
		for range n {
			ok(t, bus.Publish("a", data, nil))
			m := must[*Msg](t)(sub.Next(background))
			fails(t, m.Ack(), EINVAL)
		}
	}
	work(8)
	debug.FreeOSMemory()
	before := resident()
	work(128)
	debug.FreeOSMemory()
	if grown := resident() - before; grown > 32<<20 {
		t.Fatal(grown)
	}
}

// When the context of a wait ends, the append goes on, whoever moves the bus.
func TestAWaitForAnAppendThatIsGivenUp(t *testing.T) {
	for _, drive := range []Drive{DriveThread, DriveHost} {
		ctx, bus := soon(t), open(t, "mem:", &Options{Drive: drive})
		must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
		f := must[*Future](t)(bus.AppendAsync("S", nil, nil))
		if _, err := f.Wait(must2(context.WithCancel(ctx))); err != nil {
			fails(t, err, context.Canceled)
		}
		is(t, must[Receipt](t)(f.Wait(ctx)).Seq, 1)
	}
}

// Somebody else seeks while an OnMsg is within a run of messages, the rest of which is dropped.
func TestSeekBesideOnMsg(t *testing.T) {
	ctx, bus := soon(t), open(t, "mem:", nil)
	must[bool](t)(bus.StreamEnsure(ctx, "S", nil))
	for range 30 {
		must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
	}
	heard := make(chan uint64, 1000)
	sub := must[*Sub](t)(bus.Tail(ctx, "S", &SubOptions{OnMsg: func(m *Msg) {
		heard <- m.Seq()
		time.Sleep(time.Millisecond) // the handler is at work
	}}))
	defer sub.Close()
	until(t, func() bool { return len(heard) > 3 }) // which orders nothing: a race would be seen
	until(t, func() bool {
		err := sub.Seek(ctx, AtSeq(1))
		if errors.Is(err, EBUSY) { // it waits for a message
			must[Receipt](t)(bus.Append(ctx, "S", nil, nil))
			return false
		}
		ok(t, err)
		return true
	})
	is(t, <-heard, 1)
	for last := uint64(1); ; {
		seq := <-heard
		if seq == 1 {
			break
		}
		is(t, seq, last+1) // what was read before the seek, as far as it came
		last = seq
	}
}

// A bus keeps its broker: who has only the bus has both.
func TestABusKeepsItsBroker(t *testing.T) {
	bus, broker := func() (*Bus, weak.Pointer[Broker]) {
		broker := must[*Broker](t)(OpenBroker(nil))
		return must[*Bus](t)(broker.Bus(nil)), weak.Make(broker)
	}()
	runtime.GC()
	is(t, broker.Value() != nil, true)
	ok(t, bus.Publish("a", nil, nil))
	ok(t, bus.Close())
	ok(t, broker.Value().Close())
	runtime.KeepAlive(bus)
}
