// SPDX-License-Identifier: Apache-2.0

package rill

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// What holds of messages to a server, which are gathered before they cross to C.

// Nothing overtakes them: not one with a post, not a run of many, not an append.
func TestGatheredMessagesKeepTheirOrder(t *testing.T) {
	ctx := soon(t)
	_, at := serve(t, &BrokerOptions{JetStream: true})
	bus, reader := open(t, "nats://"+at, nil), open(t, "nats://"+at, nil)
	is(t, bus.out != nil, true)
	must[bool](t)(bus.StreamEnsure(ctx, "S", &StreamOptions{Subjects: "kept", InMemory: true}))
	sub := hear(t, reader, ">", nil)
	ok(t, reader.Flush(ctx))
	n := 0
	data := func() []byte { n++; return fmt.Appendf(nil, "%d", n) }
	for range 50 {
		for range 7 {
			ok(t, bus.Publish("kept", data(), nil))
			ok(t, bus.Publish("a", data(), nil))
		}
		ok(t, bus.Publish("a", data(), &Post{MsgID: "with a post"}))
		must[int](t)(bus.PublishAll("a", [][]byte{data(), data()}, nil))
		ok(t, bus.Publish("a", append(data(), make([]byte, outboxMessage)...), nil))
		must[Receipt](t)(bus.Append(ctx, "kept", data(), nil))
	}
	for i := 1; i <= n; {
		m := must[*Msg](t)(sub.Next(ctx))
		if m.Subject != "a" && m.Subject != "kept" {
			continue // what an append is answered
		}
		is(t, string(m.Data[:min(len(fmt.Sprint(i)), len(m.Data))]), fmt.Sprint(i))
		i++
	}
	is(t, must[StreamInfo](t)(bus.StreamStatus(ctx, "S")).Msgs, 50*8)
}

// They go without a Flush, when the goroutine that published does something else, and with Close.
func TestGatheredMessagesGoByThemselves(t *testing.T) {
	ctx := soon(t)
	_, at := serve(t, nil)
	bus, reader := open(t, "nats://"+at, nil), open(t, "nats://"+at, nil)
	sub := hear(t, reader, "a", nil)
	ok(t, reader.Flush(ctx))
	for i := range 100 {
		ok(t, bus.Publish("a", fmt.Append(nil, i), nil))
		is(t, next(t, sub), fmt.Sprint(i))
	}
	for i := range 1000 {
		ok(t, bus.Publish("a", fmt.Append(nil, i), nil))
	}
	ok(t, bus.Flush(ctx))
	ok(t, bus.Close())
	for i := range 1000 {
		is(t, next(t, sub), fmt.Sprint(i))
	}
	fails(t, bus.Publish("a", nil, nil), ECLOSED)
}

// A bus that is forgotten sends what it has, and ends.
func TestGatheredMessagesOfAForgottenBus(t *testing.T) {
	ctx := soon(t)
	broker, at := serve(t, nil)
	reader := open(t, "nats://"+at, nil)
	sub := hear(t, reader, "a", nil)
	ok(t, reader.Flush(ctx))
	func() {
		bus := must[*Bus](t)(Open(ctx, "nats://"+at, nil))
		for i := range 300 {
			ok(t, bus.Publish("a", fmt.Append(nil, i), nil))
		}
	}()
	for i := range 300 {
		is(t, next(t, sub), fmt.Sprint(i))
	}
	until(t, func() bool {
		runtime.GC()
		return must[Stats](t)(broker.Stats()).Conns == 1
	})
}

// What C says to a subject or to a length it says at once; when there is no room, the Publish whose
// message does not go says so, what was gathered is bounded, and waits for room.
func TestGatheredMessagesAndErrors(t *testing.T) {
	ctx := soon(t)
	broker, at := serve(t, nil)
	bus := open(t, "nats://"+at, &Options{SendBuffer: 64 << 10})
	fails(t, bus.Publish("", nil, nil), EINVAL)
	ok(t, bus.Publish("a", nil, nil))
	fails(t, bus.Publish("", nil, nil), EINVAL)
	fails(t, bus.Publish("a b", nil, nil), EINVAL)
	fails(t, bus.Publish("a\x00b", nil, nil), EINVAL)
	fails(t, bus.Publish("a", make([]byte, 2<<20), nil), ETOOBIG)
	ok(t, bus.Flush(ctx))
	ok(t, broker.Close())
	var err error
	went := 0
	for ; err == nil && went < 10000; went++ {
		err = bus.Publish("a", make([]byte, 1000), nil)
	}
	fails(t, err, EAGAIN)
	is(t, went < 64+2*outboxBytes/1000+10, true)
	late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	fails(t, bus.Flush(late), context.DeadlineExceeded)
	_, err = bus.PublishAll("a", [][]byte{nil}, nil)
	fails(t, err, EAGAIN)
	bus.Shutdown(late) // which cannot send them, either
	is(t, bus.Closed(), true)
}

// Of a message whose Publish had returned the next call tells what went wrong, once.
func TestErrorsOfGatheredMessages(t *testing.T) {
	ctx := soon(t)
	broker, at := serve(t, nil)
	bus := open(t, "nats://"+at, &Options{NoRedial: true})
	ok(t, bus.Publish("a", nil, nil)) // C takes the subject
	ok(t, bus.Flush(ctx))
	ok(t, broker.Close())
	until(t, func() bool { // its connection is gone, and it gives up
		return errors.Is(bus.Publish("a", nil, nil), ECLOSED)
	})
	fails(t, bus.Publish("a", nil, nil), ECLOSED) // and from now on at once
	fails(t, bus.Flush(ctx), ECLOSED)
}

// Many goroutines publish at once; each one's messages keep their order.
func TestGatheredByManyGoroutines(t *testing.T) {
	ctx := soon(t)
	_, at := serve(t, nil)
	bus, reader := open(t, "nats://"+at, &Options{SendTimeout: -1}), open(t, "nats://"+at, nil)
	sub := hear(t, reader, "m.*", &SubOptions{PendingMsgs: 1 << 20})
	ok(t, reader.Flush(ctx))
	var all sync.WaitGroup
	const each = 2000
	for who := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range each {
				if err := bus.Publish(fmt.Sprint("m.", who), fmt.Append(nil, i), nil); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
	ok(t, bus.Flush(ctx))
	var seen [8]int
	for range 8 * each {
		m := must[*Msg](t)(sub.Next(ctx))
		who := m.Subject[2] - '0'
		is(t, string(m.Data), fmt.Sprint(seen[who]))
		seen[who]++
	}
}

// A server that greets, reads nothing until it may, and then counts what was published.
func lateReader(t *testing.T, may <-chan struct{}) (string, <-chan int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "INFO {\"version\":\"2.10.0\",\"max_payload\":1048576,\"headers\":true}\r\n")
		r, n := bufio.NewReaderSize(c, 4096), 0
		for first := true; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			if strings.HasPrefix(line, "PUB a") {
				n++
			}
			if line != "PING\r\n" {
				continue
			}
			fmt.Fprint(c, "PONG\r\n")
			if first {
				<-may
			}
			first = false
		}
		count <- n
	}()
	return "nats://" + l.Addr().String(), count
}

// What Publish took is sent before Close says that all is well, also where C had no room for it.
func TestCloseSendsWhatWasGathered(t *testing.T) {
	may := make(chan struct{})
	url, count := lateReader(t, may)
	b, err := Open(context.Background(), url, &Options{SendBuffer: 1 << 20, NoRedial: true})
	if err != nil {
		t.Fatal(err)
	}
	sent, data := 0, make([]byte, 1000)
	for err == nil { // until the server's socket and the buffer are full
		if err = b.Publish("a", data, nil); err == nil {
			sent++
		}
	}
	for i := 0; i < 10; i++ {
		if b.Publish("a", data, nil) == nil {
			sent++
		}
	}
	time.AfterFunc(100*time.Millisecond, func() { close(may) })
	err = b.Close()
	if n := <-count; err == nil && n != sent {
		t.Fatalf("Publish took %d, Close said that all is well, and the server has %d", sent, n)
	}
}
