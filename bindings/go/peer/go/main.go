// SPDX-License-Identifier: Apache-2.0

// peer URL LANGUAGE: as ../peer.c, for tests of a binding for another language.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"rill"
)

var ctx = context.Background()

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

func main() {
	bus, language := must(rill.Open(ctx, os.Args[1], nil)), os.Args[2]
	kv, objs := must(bus.KV(ctx, "kv", nil)), must(bus.Objects(ctx, "objs", nil))
	sub := must(bus.Consume(ctx, "S", &rill.SubOptions{Group: "both"}))
	m := must(sub.Next(ctx))
	from, _ := m.Header("From")
	fmt.Printf("%s, from %s\n", m.Data, from)
	ok(m.Ack())
	ok(bus.Flush(ctx))
	ok(sub.Close())
	fmt.Printf("%s\n", must(kv.Get(ctx, language)).Data)
	fmt.Println(len(must(objs.GetBytes(ctx, language))), "bytes")
	fmt.Printf("%s\n", must(bus.Request(ctx, "ask."+language, []byte("a question"), nil)).Data)
	ok(bus.Publish("live", []byte("published by Go"),
		&rill.Post{Headers: []rill.Header{{Name: "From", Value: "Go"}}}))
	must(bus.Append(ctx, "s.peer", []byte("stored by Go"), nil))
	must(kv.Put(ctx, "peer", []byte("set by Go"), nil))
	ok(objs.PutBytes(ctx, "peer", bytes.Repeat([]byte("x"), 300000)))
	ok(bus.Flush(ctx))
	ok(bus.Close())
}
