// SPDX-License-Identifier: Apache-2.0

// peer URL: what interop.py says to each language's program, in Go.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"rill"
)

const me = "Go"

var ctx, stop = context.WithTimeout(context.Background(), time.Minute)

func must[T any](v T, err error) T {
	ok(err)
	return v
}

func ok(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func told(how string, m *rill.Msg) {
	from, _ := m.Header("From")
	fmt.Println(how, m.Subject, string(m.Data), from)
}

func write(bus *rill.Bus, kv *rill.KV) {
	from := &rill.Post{Headers: []rill.Header{{Name: "From", Value: me}}}
	ok(bus.Publish("live."+me, []byte("published by "+me), from))
	must(bus.Append(ctx, "s."+me, []byte("stored by "+me), from))
	must(kv.Put(ctx, me, []byte("set by "+me), nil))
	ok(bus.Flush(ctx))
	fmt.Println("written")
}

func read(n int, bus *rill.Bus, kv *rill.KV, live *rill.Sub) {
	for range n {
		told("live", must(live.Next(ctx)))
	}
	stored := must(bus.Consume(ctx, "S", &rill.SubOptions{Group: "go"}))
	for range n {
		m := must(stored.Next(ctx))
		told("stored", m)
		ok(m.Ack())
	}
	for _, key := range must(kv.Keys(ctx, "")) {
		fmt.Println("key", key, string(must(kv.Get(ctx, key)).Data))
	}
	fmt.Println("end")
}

func main() {
	defer stop()
	bus := must(rill.Open(ctx, os.Args[1], nil))
	kv := must(bus.KV(ctx, "kv", nil))
	live := must(bus.Subscribe(ctx, "live.*", nil))
	ok(bus.Flush(ctx))
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var word string
		var n int
		if fmt.Sscan(in.Text(), &word, &n); word == "write" {
			write(bus, kv)
		} else {
			read(n, bus, kv, live)
		}
	}
	ok(bus.Close())
}
