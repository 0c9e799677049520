// SPDX-License-Identifier: Apache-2.0

// bench [-url nats://HOST:PORT] [-rounds N] [-msgs N] [-rows PATTERN]: what a message of 128 bytes costs, within this
// process and beside nats.go at one broker, in turns: that of -url, or one in a process of its own.
// Each figure is the median of the rounds, by the clock and of this process's processors; "times" is
// the median of the rounds' quotients. Senders for who receives are processes of their own.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rill"
)

var (
	ctx  = context.Background()
	data = make([]byte, 128)
	many = make([][]byte, 250)
	rows *regexp.Regexp // those that are wanted
)

func must[T any](v T, err error) T {
	ok(err)
	return v
}

func ok(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// ---- In process

const step = 5000 // messages that a handler has had before more are published

// A handler has what is published.
func callback(n int, publish func(bus *rill.Bus)) time.Duration {
	bus := must(rill.Open(ctx, "mem:", nil))
	defer bus.Close()
	heard, all := 0, make(chan struct{})
	must(bus.Subscribe(ctx, "a", &rill.SubOptions{OnMsg: func(m *rill.Msg) {
		if heard++; heard%step == 0 {
			all <- struct{}{}
		}
	}}))
	began := time.Now()
	for i := 0; i < n; i += step {
		for range step / 250 {
			publish(bus)
		}
		<-all
	}
	return time.Since(began)
}

func toCallback(n int) time.Duration {
	return callback(n, func(bus *rill.Bus) {
		for range 250 {
			ok(bus.Publish("a", data, nil))
		}
	})
}

func allToCallback(n int) time.Duration {
	return callback(n, func(bus *rill.Bus) { must(bus.PublishAll("a", many, nil)) })
}

func reader(n int, publish func(bus *rill.Bus), read func(sub *rill.Sub)) time.Duration {
	bus := must(rill.Open(ctx, "mem:", nil))
	defer bus.Close()
	sub := must(bus.Subscribe(ctx, "a", nil))
	began := time.Now()
	for i := 0; i < n; i += 250 {
		publish(bus)
		read(sub)
	}
	return time.Since(began)
}

func toNext(n int) time.Duration {
	return reader(n, func(bus *rill.Bus) {
		for range 250 {
			ok(bus.Publish("a", data, nil))
		}
	}, func(sub *rill.Sub) {
		for range 250 {
			must(sub.Next(ctx))
		}
	})
}

func toRead(n int) time.Duration {
	return reader(n, func(bus *rill.Bus) { must(bus.PublishAll("a", many, nil)) },
		func(sub *rill.Sub) { must(sub.Read(ctx, 250)) })
}

func inBatches(n int) time.Duration {
	bus := must(rill.Open(ctx, "mem:", nil))
	defer bus.Close()
	must(bus.StreamEnsure(ctx, "S", &rill.StreamOptions{MaxMsgs: 10000}))
	began := time.Now()
	for i := 0; i < n; i += 1000 {
		batch := must(bus.Batch(nil))
		for range 4 {
			must(batch.AddAll("S", many, nil))
		}
		must(batch.Commit(ctx))
		batch.Close()
	}
	return time.Since(began)
}

// ---- Beside nats.go

const room = 1 << 30

// As a publish of nats.go does, one waits when its server takes no more.
var patient = &rill.Options{SendTimeout: -1}

func rillPublish(url string, n int) time.Duration {
	bus := must(rill.Open(ctx, url, patient))
	defer bus.Close()
	began := time.Now()
	for range n {
		ok(bus.Publish("pub", data, nil))
	}
	ok(bus.Flush(ctx))
	return time.Since(began)
}

func rillPublishMany(url string, n int) time.Duration {
	bus := must(rill.Open(ctx, url, patient))
	defer bus.Close()
	began := time.Now()
	for i := 0; i < n; i += len(many) {
		must(bus.PublishMany("pub", many))
	}
	ok(bus.Flush(ctx))
	return time.Since(began)
}

func natsPublish(url string, n int) time.Duration {
	nc := must(nats.Connect(url))
	defer nc.Close()
	began := time.Now()
	for range n {
		ok(nc.Publish("pub", data))
	}
	ok(nc.Flush())
	return time.Since(began)
}

// In a process of its own.
func send(url string, n int) {
	bus := must(rill.Open(ctx, url, &rill.Options{SendBuffer: room}))
	for i := 0; i < n; i += 250 {
		must(bus.PublishAll("recv", many, nil))
	}
	ok(bus.Flush(ctx))
	ok(bus.Close())
}

func sender(url string, n int) *exec.Cmd {
	cmd := exec.Command(must(os.Executable()), "send", url, strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	ok(cmd.Start())
	return cmd
}

func rillReceive(url string, n int) time.Duration {
	bus := must(rill.Open(ctx, url, nil))
	defer bus.Close()
	sub := must(bus.Subscribe(ctx, "recv", &rill.SubOptions{PendingMsgs: uint32(n),
		PendingBytes: room}))
	cmd := sender(url, n)
	must(sub.Next(ctx))
	began := time.Now()
	for range n - 1 {
		must(sub.Next(ctx))
	}
	took := time.Since(began)
	ok(cmd.Wait())
	return took
}

func natsReceive(url string, n int) time.Duration {
	nc := must(nats.Connect(url))
	defer nc.Close()
	sub := must(nc.SubscribeSync("recv"))
	ok(sub.SetPendingLimits(n, room))
	ok(nc.Flush())
	cmd := sender(url, n)
	must(sub.NextMsg(time.Minute))
	began := time.Now()
	for range n - 1 {
		must(sub.NextMsg(time.Minute))
	}
	took := time.Since(began)
	ok(cmd.Wait())
	return took
}

func rillAppend(url string, n int) time.Duration {
	bus := must(rill.Open(ctx, url, nil))
	defer bus.Close()
	must(bus.StreamEnsure(ctx, "RILL", &rill.StreamOptions{Subjects: "rill.s", InMemory: true,
		MaxMsgs: 10000}))
	began := time.Now()
	for i := 0; i < n; i += 1000 {
		batch := must(bus.Batch(nil))
		for range 4 {
			must(batch.AddAll("rill.s", many, nil))
		}
		must(batch.Commit(ctx))
		batch.Close()
	}
	took := time.Since(began)
	ok(bus.StreamDelete(ctx, "RILL"))
	return took
}

func natsAppend(url string, n int) time.Duration {
	nc := must(nats.Connect(url))
	defer nc.Close()
	js := must(jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1000)))
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "NATS", Subjects: []string{"nats.s"},
		Storage: jetstream.MemoryStorage, MaxMsgs: 10000}))
	began := time.Now()
	for i := 0; i < n; i += 1000 {
		for range 1000 {
			must(js.PublishAsync("nats.s", data))
		}
		<-js.PublishAsyncComplete()
	}
	took := time.Since(began)
	ok(js.DeleteStream(ctx, "NATS"))
	return took
}

// ---- Rounds

// What a round took, ns a message: by the clock, and of this process's processors.
type took struct{ wall, cpu float64 }

func processors() float64 {
	var u syscall.Rusage
	ok(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// The forms in turns, each round the other way round, so that what else the machine does meets all.
func measure(rounds, n int, forms ...func(n int) time.Duration) [][]took {
	all := make([][]took, len(forms))
	for round := range rounds {
		for i := range forms {
			if round%2 == 1 {
				i = len(forms) - 1 - i
			}
			runtime.GC()
			before := processors()
			wall := float64(forms[i](n))
			all[i] = append(all[i], took{wall / float64(n), (processors() - before) / float64(n)})
		}
	}
	return all
}

func median(of []took, what func(i int) float64) float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = what(i)
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func beside(url string, rounds, msgs int) {
	fmt.Printf("\n%-24s%8s%9s%8s%12s%9s%8s\n", "at one broker", "rill", "nats.go", "times",
		"cpu: rill", "nats.go", "times")
	for _, work := range []struct {
		name      string
		ours, its func(url string, n int) time.Duration
		n         int
	}{{"publish", rillPublish, natsPublish, msgs},
		{"publish, 250 at a time", rillPublishMany, natsPublish, msgs}, {"receive", rillReceive, natsReceive, msgs},
		{"append, 1000 at a time", rillAppend, natsAppend, max(msgs/5, 1000)}} {
		if !rows.MatchString(work.name) {
			continue
		}
		all := measure(rounds, work.n, func(n int) time.Duration { return work.ours(url, n) },
			func(n int) time.Duration { return work.its(url, n) })
		ours, its := all[0], all[1]
		fmt.Printf("%-24s%8.0f%9.0f%8.2f%12.0f%9.0f%8.2f\n", work.name,
			median(ours, func(i int) float64 { return ours[i].wall }),
			median(its, func(i int) float64 { return its[i].wall }),
			median(ours, func(i int) float64 { return its[i].wall / ours[i].wall }),
			median(ours, func(i int) float64 { return ours[i].cpu }),
			median(its, func(i int) float64 { return its[i].cpu }),
			median(ours, func(i int) float64 { return its[i].cpu / ours[i].cpu }))
	}
}

// A broker in a process of its own, until its standard input ends.
func serve() {
	broker := must(rill.OpenBroker(&rill.BrokerOptions{JetStream: true, MaxPendingBytes: room}))
	fmt.Println(must(broker.Listen("nats://127.0.0.1:0", nil)))
	bufio.NewReader(os.Stdin).ReadByte()
	broker.Close()
}

func main() {
	for i := range many {
		many[i] = data
	}
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve()
		return
	}
	if len(os.Args) > 3 && os.Args[1] == "send" {
		send(os.Args[2], must(strconv.Atoi(os.Args[3])))
		return
	}
	url := flag.String("url", "", "a broker that is there; default: one in a process of its own")
	rounds := flag.Int("rounds", 20, "how many")
	msgs := flag.Int("msgs", 50000, "messages a round")
	pattern := flag.String("rows", "", "a regular expression: only those of such a name")
	flag.Parse()
	rows = regexp.MustCompile(*pattern)
	*msgs = max(*msgs/step, 1) * step
	fmt.Printf("%-36s\n", "in process, ns a message: wall, cpu")
	for _, work := range []struct {
		name string
		form func(n int) time.Duration
	}{{"Publish to OnMsg", toCallback}, {"PublishAll to OnMsg", allToCallback},
		{"Publish, Next", toNext}, {"PublishAll, Read by 250", toRead},
		{"append, batches of 1000", inBatches}} {
		if !rows.MatchString(work.name) {
			continue
		}
		all := measure(*rounds, *msgs, work.form)[0]
		fmt.Printf("%-32s%8.0f%8.0f\n", work.name, median(all, func(i int) float64 { return all[i].wall }),
			median(all, func(i int) float64 { return all[i].cpu }))
	}
	if *url != "" {
		beside(*url, *rounds, *msgs)
		return
	}
	cmd := exec.Command(must(os.Executable()), "serve")
	in, out := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	ok(cmd.Start())
	port := must(bufio.NewReader(out).ReadString('\n'))
	beside("nats://127.0.0.1:"+port[:len(port)-1], *rounds, *msgs)
	ok(in.Close())
	ok(cmd.Wait())
}
