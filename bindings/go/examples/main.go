// SPDX-License-Identifier: Apache-2.0

// The programs of examples/ in Go: `go run ./examples NAME` prints what examples/NAME.c prints, and
// the tests compare it with what stands on the top of that.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"rill"
)

var (
	ctx   = context.Background()
	first = uint64(1)
)

func must[T any](v T, err error) T {
	ok(err)
	return v
}

func ok(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(url string) *rill.Bus { return must(rill.Open(ctx, url, nil)) }

func next(sub *rill.Sub) *rill.Msg { return must(sub.Next(ctx)) }

func hello() {
	bus := open("mem:")
	defer bus.Close()
	sub := must(bus.Subscribe(ctx, "greet.*", nil))
	ok(bus.Publish("greet.world", []byte("hello"), nil))
	m := next(sub)
	fmt.Printf("%s: %s\n", m.Subject, m.Data)
}

func requestReply() {
	bus := open("mem:")
	defer bus.Close()
	must(bus.Subscribe(ctx, "echo", &rill.SubOptions{OnMsg: func(m *rill.Msg) {
		ok(m.Respond(append([]byte("you said "), m.Data...), nil))
	}}))
	fmt.Printf("ping -> %s\n", must(bus.Request(ctx, "echo", []byte("ping"), nil)).Data)
	_, err := bus.Request(ctx, "nobody", nil, nil)
	var e *rill.Error
	if errors.As(err, &e) {
		fmt.Println("nobody:", e.Code.Name())
	}
}

func workerQueue() {
	bus := open("mem:")
	defer bus.Close()
	var done [100]int
	var mu sync.Mutex
	var workers sync.WaitGroup
	var subs []*rill.Sub
	for range 3 {
		subs = append(subs, must(bus.Subscribe(ctx, "jobs", &rill.SubOptions{Group: "w"})))
	}
	for _, sub := range subs {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for m, err := range sub.Messages(ctx) {
				ok(err)
				mu.Lock()
				done[m.Data[0]]++
				mu.Unlock()
			}
		}()
	}
	for i := range 100 {
		ok(bus.Publish("jobs", []byte{byte(i)}, nil))
	}
	for _, sub := range subs {
		ok(sub.Stop()) // what waits is still read
	}
	workers.Wait()
	once := 0
	for _, n := range done {
		if n == 1 {
			once++
		}
	}
	fmt.Println(once, "jobs, each done once")
}

func queue() {
	ok(os.RemoveAll("queue.go.data"))
	bus := open("file:queue.go.data")
	must(bus.StreamEnsure(ctx, "JOBS", &rill.StreamOptions{Keep: rill.KeepWork}))
	for _, job := range []string{"resize 1", "resize 2", "resize 3"} {
		must(bus.Append(ctx, "JOBS", []byte(job), nil))
	}
	ok(bus.Close())
	bus = open("file:queue.go.data")
	defer bus.Close()
	fmt.Println(must(bus.StreamStatus(ctx, "JOBS")).Msgs, "jobs wait")
	sub := must(bus.Consume(ctx, "JOBS", &rill.SubOptions{Group: "workers"}))
	for done := 0; done < 3; {
		m := next(sub)
		job := string(m.Data)
		if job == "resize 2" && m.Deliveries() == 1 {
			fmt.Println(job, "failed, again in 50 ms")
			ok(m.Nak(50 * time.Millisecond))
			continue
		}
		fmt.Print(job, " is done")
		if m.Deliveries() > 1 {
			fmt.Print(", at delivery ", m.Deliveries())
		}
		fmt.Println()
		ok(m.Ack())
		done++
	}
	ok(bus.Flush(ctx))
	fmt.Println(must(bus.StreamStatus(ctx, "JOBS")).Msgs, "jobs wait")
}

func replay() {
	bus := open("mem:")
	defer bus.Close()
	must(bus.StreamEnsure(ctx, "PRICES", &rill.StreamOptions{Subjects: "prices.*"}))
	show := func(what string, how *rill.SubOptions) {
		fmt.Printf("%-8s", what)
		sub := must(bus.Tail(ctx, "PRICES", how))
		defer sub.Close()
		for m, err := range sub.Messages(ctx) {
			ok(err)
			fmt.Printf(" %d %s=%s", m.Seq(), strings.TrimPrefix(m.Subject, "prices."), m.Data)
			if m.Pending() == 0 {
				break
			}
		}
		fmt.Println()
	}
	for _, p := range []string{"eu 10", "us 20", "eu 11", "us 21", "eu 12"} {
		must(bus.Append(ctx, "prices."+p[:2], []byte(p[3:]), nil))
	}
	show("all:", nil)
	show("eu only:", &rill.SubOptions{Filter: "prices.eu"})
	show("from 4:", &rill.SubOptions{From: rill.FromSeq, FromSeq: 4})
	show("newest:", &rill.SubOptions{From: rill.FromLastPerSubject})
	must(bus.Append(ctx, "prices.eu", []byte("13"), nil))
	show("last:", &rill.SubOptions{From: rill.FromLast})
}

func kvWatch() {
	bus := open("mem:")
	defer bus.Close()
	kv := must(bus.KV(ctx, "config", nil))
	must(kv.Put(ctx, "color", []byte("blue"), nil))
	must(kv.Put(ctx, "size", []byte("7"), nil))
	watch := must(kv.Watch(ctx, nil))
	follow := func() {
		m := next(watch)
		if m.Deleted() {
			fmt.Println(m.Key(), "is gone")
		} else {
			fmt.Printf("%s = %s\n", m.Key(), m.Data)
		}
		if m.CaughtUp() {
			fmt.Println("that is all there was")
		}
	}
	follow()
	follow()
	two := uint64(2)
	revision := must(kv.Put(ctx, "size", []byte("8"), &rill.KVOptions{Expect: &two}))
	follow()
	ok(kv.Delete(ctx, "color", nil))
	follow()
	_, err := kv.Put(ctx, "size", []byte("9"), &rill.KVOptions{Expect: &two})
	var e *rill.Error
	if errors.As(err, &e) {
		fmt.Printf("size is at revision %d, so \"expect 2\" fails: %s\n", revision, e.Code.Name())
	}
}

func batch() {
	bus := open("mem:")
	defer bus.Close()
	must(bus.StreamEnsure(ctx, "STOCK", &rill.StreamOptions{Subjects: "stock.*"}))
	must(bus.StreamEnsure(ctx, "INVOICES", &rill.StreamOptions{Subjects: "invoices"}))
	must(bus.Append(ctx, "stock.pears", []byte("+10"), nil))
	order := func(name string, seen uint64) {
		both := must(bus.Batch(nil))
		defer both.Close()
		ok(both.Add("stock.pears", []byte("-1"), &rill.Post{ExpectLastSeq: &seen,
			ExpectSubject: "stock.pears"}))
		ok(both.Add("invoices", []byte(name), nil))
		said := "stored"
		_, err := both.Commit(ctx)
		var e *rill.Error
		if errors.As(err, &e) {
			said = e.Code.Name()
		}
		fmt.Printf("%s: %s, %d in STOCK, %d in INVOICES\n", name, said,
			must(bus.StreamStatus(ctx, "STOCK")).Msgs, must(bus.StreamStatus(ctx, "INVOICES")).Msgs)
	}
	order("order 1", first)
	order("order 2", first)
	order("order 2", 2)
}

func deadLetters() {
	bus := open("mem:")
	defer bus.Close()
	must(bus.StreamEnsure(ctx, "JOBS", &rill.StreamOptions{Keep: rill.KeepWork}))
	must(bus.StreamEnsure(ctx, "DEAD", nil))
	sub := must(bus.Consume(ctx, "JOBS", &rill.SubOptions{Group: "workers", MaxDeliveries: 2,
		MaxUnacked: 1, DeadLetters: "DEAD"}))
	for _, job := range []string{"good", "bad", "absurd"} {
		must(bus.Append(ctx, "JOBS", []byte(job), nil))
	}
	for range 4 {
		m := next(sub)
		switch job := string(m.Data); job {
		case "bad":
			fmt.Println("bad failed")
			ok(m.Nak(20 * time.Millisecond))
		case "absurd":
			fmt.Println("absurd is refused")
			ok(m.Term())
		default:
			fmt.Println(job, "is done")
			ok(m.Ack())
		}
	}
	dead := must(bus.Tail(ctx, "DEAD", nil))
	for range 2 {
		m := next(dead)
		reason, _ := m.Header("Rill-Dead-Reason")
		number, _ := m.Header("Rill-Dead-Sequence")
		fmt.Printf("DEAD has %s: %s, number %s of JOBS\n", m.Data, reason, number)
	}
}

func anywhere() {
	run := func(url string) {
		bus := open(url)
		defer bus.Close()
		must(bus.StreamEnsure(ctx, "ANYWHERE", &rill.StreamOptions{Subjects: "any.orders",
			InMemory: true}))
		receipt := must(bus.Append(ctx, "any.orders", []byte("first order"), nil))
		read := next(must(bus.Tail(ctx, "ANYWHERE", nil)))
		must(bus.Subscribe(ctx, "any.add", &rill.SubOptions{OnMsg: func(m *rill.Msg) {
			ok(m.Respond([]byte("4"), nil))
		}}))
		answer := must(bus.Request(ctx, "any.add", []byte("2 + 2"), nil))
		scheme, _, _ := strings.Cut(url, ":")
		fmt.Printf("%s: stored %d, read back %q; answered %q\n", scheme, receipt.Seq, read.Data,
			answer.Data)
		ok(bus.StreamDelete(ctx, "ANYWHERE"))
	}
	run("mem:")
	broker := must(rill.OpenBroker(&rill.BrokerOptions{JetStream: true}))
	defer broker.Close()
	run(fmt.Sprintf("nats://127.0.0.1:%d", must(broker.Listen("nats://127.0.0.1:0", nil))))
}

func objectCopy() {
	bus := open("mem:")
	defer bus.Close()
	objs := must(bus.Objects(ctx, "programs", nil))
	file := must(os.Open(must(os.Executable())))
	must(objs.Put(ctx, "me", file))
	must(file.Seek(0, io.SeekStart))
	whole := must(io.ReadAll(file))
	if must(objs.Status(ctx, "me")).Bytes == uint64(len(whole)) {
		fmt.Println("the object has the length of the file")
	}
	var copied bytes.Buffer
	must(objs.Get(ctx, "me", &copied))
	if bytes.Equal(copied.Bytes(), whole) {
		fmt.Println("the copy is the same")
	}
}

func embeddedBroker() {
	broker := must(rill.OpenBroker(nil))
	defer broker.Close()
	port := must(broker.Listen("nats://127.0.0.1:0", nil))
	bus := must(broker.Bus(nil))
	defer bus.Close()
	sub := must(bus.Subscribe(ctx, "sensors.>", nil))
	other := must(net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)))
	defer other.Close()
	must(io.WriteString(other, "CONNECT {}\r\nPUB sensors.kitchen 10\r\n21 degrees\r\n"))
	fmt.Printf("over TCP came: %s\n", next(sub).Data)
}

func ownLoop() {
	bus := must(rill.Open(ctx, "mem:", &rill.Options{Drive: rill.DriveHost}))
	defer bus.Close()
	var pipe [2]int
	ok(syscall.Pipe(pipe[:]))
	must(bus.Subscribe(ctx, "news", &rill.SubOptions{OnMsg: func(m *rill.Msg) {
		fmt.Printf("from the bus: %s\n", m.Data)
		if string(m.Data) == "two" {
			must(syscall.Write(pipe[1], []byte("stop")))
		}
	}}))
	ok(bus.Publish("news", []byte("one"), nil))
	ok(bus.Publish("news", []byte("two"), nil))
	over, cancel := context.WithCancel(ctx)
	cancel()
	for {
		var ready syscall.FdSet
		fd := int(must(bus.Fd()))
		ready.Bits[fd/64] |= 1 << (fd % 64)
		ready.Bits[pipe[0]/64] |= 1 << (pipe[0] % 64)
		var sleep *syscall.Timeval
		if wait := bus.WaitTime(); wait >= 0 {
			at := syscall.NsecToTimeval(int64(wait))
			sleep = &at
		}
		if _, err := syscall.Select(max(fd, pipe[0])+1, &ready, nil, nil, sleep); err != syscall.EINTR {
			ok(err)
		}
		must(bus.Poll(over)) // it does not wait
		if ready.Bits[pipe[0]/64]&(1<<(pipe[0]%64)) != 0 {
			var said [8]byte
			fmt.Printf("from the pipe: %s\n", said[:must(syscall.Read(pipe[0], said[:]))])
			return
		}
	}
}

func ownWire() {
	broker := must(rill.OpenBroker(nil))
	defer broker.Close()
	here := must(broker.Bus(nil))
	defer here.Close()
	sub := must(here.Subscribe(ctx, "oven", nil))
	there := must(rill.Open(ctx, "nats://depot", &rill.Options{
		Dial: func(address string) (*rill.Wire, error) {
			fmt.Println("dial", address)
			ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return nil, err
			}
			far, err := rill.SocketWire(uintptr(ends[1]))
			if err == nil {
				err = broker.Accept("nats://the-other-end", far)
			}
			if err != nil {
				return nil, err
			}
			return rill.SocketWire(uintptr(ends[0]))
		}}))
	defer there.Close()
	ok(there.Publish("oven", []byte("21 degrees"), nil))
	m := next(sub)
	fmt.Printf("the %s has %s\n", m.Subject, m.Data)
}

func backup() {
	for _, dir := range []string{"go.data", "go.copy", "go.saved"} {
		ok(os.RemoveAll(dir))
	}
	orders := func(url string) uint64 {
		bus := open(url)
		defer bus.Close()
		return must(bus.StreamStatus(ctx, "ORDERS")).Msgs
	}
	say := func(care rill.Care) {
		if care.Damage != nil {
			fmt.Println("damaged: order", care.Damage.FirstSeq)
		}
	}
	bus := open("file:go.data")
	must(bus.StreamEnsure(ctx, "ORDERS", nil))
	for _, order := range []string{"one coffee", "two croissants", "three more coffees"} {
		must(bus.Append(ctx, "ORDERS", []byte(order), nil))
	}
	fmt.Printf("checked: %d damages\n", must(bus.StoreCheck(ctx, say)))
	ok(bus.StoreSnapshot(ctx, "go.copy"))
	must(bus.Append(ctx, "ORDERS", []byte("the bill"), nil))
	ok(bus.Close())
	fmt.Printf("the copy has %d orders, the store %d\n", orders("file:go.copy"), orders("file:go.data"))
	file := must(os.OpenFile("go.copy/00000000.seg", os.O_RDWR, 0))
	head := make([]byte, 4096)
	must(file.ReadAt(head, 0))
	must(file.WriteAt([]byte("????"), int64(bytes.Index(head, []byte("croissants"))))) // it forgets
	ok(file.Close())
	must(rill.Salvage(ctx, "go.copy", "go.saved", say))
	fmt.Printf("saved: %d orders\n", orders("file:go.saved"))
}

func mayCome(url string) bool {
	bus, err := rill.Open(ctx, url, nil)
	if errors.Is(err, rill.EAUTH) {
		return false
	}
	ok(err)
	ok(bus.Close())
	return true
}

func users() {
	broker := must(rill.OpenBroker(&rill.BrokerOptions{Users: []rill.User{
		{User: "sensor", Password: "s3nse", PublishAllow: []string{"home.>"},
			SubscribeDeny: []string{">"}},
		{User: "display", Password: "l00k", PublishAllow: []string{"ask"},
			SubscribeAllow: []string{"home.>", "_INBOX.>"}, SubscribeDeny: []string{"home.private.>"}},
		{User: "helper", Password: "h3lp", SubscribeAllow: []string{"ask"}, AllowResponses: true}}}))
	defer broker.Close()
	at := fmt.Sprintf("127.0.0.1:%d", must(broker.Listen("nats://127.0.0.1:0", nil)))
	if !mayCome("nats://sensor:guess@" + at) {
		fmt.Println("a stranger: refused")
	}
	sensor, display := open("nats://sensor:s3nse@"+at), open("nats://display:l00k@"+at)
	helper := open("nats://helper:h3lp@" + at)
	readings := must(display.Subscribe(ctx, "home.>", nil))
	must(helper.Subscribe(ctx, "ask", &rill.SubOptions{OnMsg: func(m *rill.Msg) {
		ok(m.Respond([]byte("warm"), nil))
	}}))
	all := []*rill.Bus{sensor, display, helper}
	for _, bus := range all {
		ok(bus.Flush(ctx))
	}
	ok(sensor.Publish("home.private.diary", []byte("dear diary"), nil))
	ok(sensor.Publish("home.kitchen", []byte("21 degrees"), nil))
	told := must(display.Request(ctx, "ask", nil, nil))
	fmt.Printf("display: %s, and that is %s\n", next(readings).Data, told.Data)
	for _, bus := range all {
		ok(bus.Close())
	}
}

func ownLogin() {
	tickets := map[string]string{"ada": "t-17", "bob": "t-23"}
	broker := must(rill.OpenBroker(&rill.BrokerOptions{OnLogin: func(l *rill.Login) {
		if ticket := tickets[l.User]; ticket == "" || l.Password != ticket {
			ok(l.Refuse("he has no ticket"))
			return
		}
		ok(l.Accept(rill.User{User: l.User, SubscribeAllow: []string{l.User + ".>"}}))
	}}))
	defer broker.Close()
	at := fmt.Sprintf("127.0.0.1:%d", must(broker.Listen("nats://127.0.0.1:0", nil)))
	if !mayCome("nats://mallory:t-99@" + at) {
		fmt.Println("mallory: refused")
	}
	ada, bob := open("nats://ada:t-17@"+at), open("nats://bob:t-23@"+at)
	sub := must(bob.Subscribe(ctx, "bob.>", nil))
	ok(bob.Flush(ctx))
	ok(ada.Publish("bob.mail", []byte("hello from ada"), nil))
	fmt.Printf("bob hears: %s\n", next(sub).Data)
	ok(ada.Close())
	ok(bob.Close())
}

func boundedBus() {
	limits := rill.User{User: "plug-in", SubscribeAllow: []string{"orders.>", "_INBOX.>"},
		PublishAllow: []string{"orders.>", "$JS.API.CONSUMER.*.orders.>",
			"$JS.API.CONSUMER.MSG.NEXT.orders.*", "$JS.ACK.orders.>"}}
	broker := must(rill.OpenBroker(nil))
	defer broker.Close()
	own := must(broker.Bus(nil))
	defer own.Close()
	must(own.StreamEnsure(ctx, "orders", &rill.StreamOptions{Subjects: "orders.>"}))
	bus := must(broker.Bus(&rill.Options{Identity: &limits}))
	defer bus.Close()
	must(bus.Append(ctx, "orders.new", []byte("a book"), nil))
	sub := must(bus.Consume(ctx, "orders", &rill.SubOptions{Group: "plug-in"}))
	m := next(sub)
	fmt.Printf("plug-in: stored order %d\n", m.Seq())
	ok(m.Ack())
	ok(sub.Close())
	for _, err := range []error{bus.Publish("salaries.ada", []byte("more"), nil),
		bus.StreamDelete(ctx, "orders")} {
		if errors.Is(err, rill.EAUTH) {
			fmt.Println(err)
		}
	}
}

func main() {
	all := map[string]func(){"hello": hello, "request_reply": requestReply, "worker_queue": workerQueue,
		"queue": queue, "replay": replay, "kv_watch": kvWatch, "batch": batch,
		"dead_letters": deadLetters, "anywhere": anywhere, "object_copy": objectCopy,
		"embedded_broker": embeddedBroker, "own_loop": ownLoop, "own_wire": ownWire, "backup": backup,
		"users": users, "own_login": ownLogin, "bounded_bus": boundedBus}
	if len(os.Args) != 2 || all[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: examples NAME")
		os.Exit(2)
	}
	all[os.Args[1]]()
}
