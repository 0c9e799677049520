// SPDX-License-Identifier: Apache-2.0

// client core|js: a user's work through nats.go; prints what it saw, the same for any server.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const wait = 30 * time.Second

func must[T any](value T, err error) T {
	ok(err)
	return value
}

func ok(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func core(nc *nats.Conn) {
	star := must(nc.SubscribeSync("go.*.x"))
	for _, subject := range []string{"go.a.x", "go.a.y", "go.b.x"} {
		ok(nc.Publish(subject, []byte(subject)))
	}
	for i := 0; i < 2; i++ {
		fmt.Println("wildcard:", string(must(star.NextMsg(wait)).Data))
	}

	var counts [3]atomic.Int64
	var done = make(chan struct{}, 300)
	for i := range counts {
		must(nc.QueueSubscribe("go.jobs", "w", func(*nats.Msg) { counts[i].Add(1); done <- struct{}{} }))
	}
	for i := 0; i < 300; i++ {
		ok(nc.Publish("go.jobs", []byte("job")))
	}
	for i := 0; i < 300; i++ {
		<-done
	}
	fmt.Println("queue:", counts[0].Load()+counts[1].Load()+counts[2].Load(),
		counts[0].Load() > 0 && counts[1].Load() > 0 && counts[2].Load() > 0)

	echo := must(nc.Subscribe("go.echo", func(m *nats.Msg) { m.Respond(append([]byte("re: "), m.Data...)) }))
	fmt.Println("request:", string(must(nc.Request("go.echo", []byte("ask"), wait)).Data))
	ok(echo.Unsubscribe())
	ok(nc.Flush())
	_, err := nc.Request("go.echo", []byte("ask"), wait)
	fmt.Println("request, nobody there:", err)

	headed := must(nc.SubscribeSync("go.headed"))
	msg := nats.NewMsg("go.headed")
	msg.Header = nats.Header{"Trace": {"one", "two"}, "lower": {"kept"}}
	msg.Data = []byte("body")
	ok(nc.PublishMsg(msg))
	msg = must(headed.NextMsg(wait))
	fmt.Println("headers:", msg.Header.Values("Trace"), msg.Header["lower"], string(msg.Data))

	large := must(nc.SubscribeSync("go.large"))
	data := bytes.Repeat([]byte("0123456789abcdef"), int(nc.MaxPayload())/16)
	ok(nc.Publish("go.large", data))
	fmt.Println("large:", bytes.Equal(must(large.NextMsg(wait)).Data, data))
	fmt.Println("larger:", nc.Publish("go.large", append(data, 'x')))

	few := must(nc.SubscribeSync("go.few"))
	ok(few.AutoUnsubscribe(2))
	for i := 0; i < 5; i++ {
		ok(nc.Publish("go.few", nil))
	}
	ok(nc.Flush())
	must(few.NextMsg(wait))
	must(few.NextMsg(wait))
	_, err = few.NextMsg(200 * time.Millisecond)
	fmt.Println("auto-unsubscribe:", errors.Is(err, nats.ErrMaxMessages) || errors.Is(err, nats.ErrBadSubscription))
	must(nc.RTT())
}

func stream(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	js := must(jetstream.New(nc))
	s := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "GO", Subjects: []string{"gojs.>"}}))
	for i := 0; i < 10; i++ {
		must(js.PublishAsync(fmt.Sprintf("gojs.%d", i%2), []byte(fmt.Sprintf("m%d", i))))
	}
	<-js.PublishAsyncComplete()
	one := must(js.Publish(ctx, "gojs.0", []byte("once"), jetstream.WithMsgID("id")))
	two := must(js.Publish(ctx, "gojs.0", []byte("once"), jetstream.WithMsgID("id")))
	fmt.Println("duplicate:", one.Sequence, two.Sequence, two.Duplicate)
	_, err := js.Publish(ctx, "gojs.0", nil, jetstream.WithExpectLastSequence(3))
	fmt.Println("expected sequence:", err)
	state := must(s.Info(ctx, jetstream.WithSubjectFilter(">"))).State
	fmt.Println("stream:", state.Msgs, state.FirstSeq, state.LastSeq, state.Subjects)

	c := must(s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "c", FilterSubject: "gojs.1",
		AckPolicy: jetstream.AckExplicitPolicy}))
	batch := must(c.Fetch(5, jetstream.FetchMaxWait(wait)))
	i := 0
	for m := range batch.Messages() {
		meta := must(m.Metadata())
		fmt.Println("pull:", string(m.Data()), meta.Sequence.Stream, meta.Sequence.Consumer, meta.NumPending)
		if i++; i == 1 {
			ok(m.NakWithDelay(10 * time.Millisecond))
		} else {
			ok(m.DoubleAck(ctx))
		}
	}
	m := must(c.Next(jetstream.FetchMaxWait(wait)))
	fmt.Println("redelivered:", string(m.Data()), must(m.Metadata()).NumDelivered)
	ok(m.DoubleAck(ctx))
	info := must(c.Info(ctx))
	fmt.Println("consumer:", info.NumAckPending, info.NumPending, info.AckFloor.Stream, info.Delivered.Consumer)

	o := must(s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{}))
	it := must(o.Messages())
	for i := 0; i < 11; i++ {
		fmt.Print(string(must(it.Next()).Data()), " ")
	}
	it.Stop()
	fmt.Println("in order")
	ok(s.Purge(ctx, jetstream.WithPurgeSubject("gojs.1")))
	fmt.Println("purged:", must(s.Info(ctx)).State.Msgs)

	kv := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "GOKV", History: 3}))
	watch := must(kv.WatchAll(ctx))
	must(kv.Put(ctx, "k", []byte("1")))
	must(kv.Update(ctx, "k", []byte("2"), 1))
	_, err = kv.Update(ctx, "k", []byte("3"), 1)
	fmt.Println("kv update:", err)
	ok(kv.Delete(ctx, "k"))
	for seen := 0; seen < 4; seen++ {
		if e := <-watch.Updates(); e == nil {
			fmt.Println("kv watch: caught up")
		} else {
			fmt.Println("kv watch:", e.Key(), string(e.Value()), e.Revision(), e.Operation())
		}
	}
	obj := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "GOOBJ"}))
	data := bytes.Repeat([]byte("rill"), 100000)
	must(obj.PutBytes(ctx, "file", data))
	fmt.Println("object:", bytes.Equal(must(obj.GetBytes(ctx, "file")), data), must(obj.GetInfo(ctx, "file")).Chunks)
	ok(js.DeleteStream(ctx, "GO"))
	_, err = js.Stream(ctx, "GO")
	fmt.Println("deleted:", err)
}

func main() {
	nc := must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(1)))
	if os.Args[1] == "js" {
		stream(nc)
	} else {
		core(nc)
	}
	ok(nc.Drain())
}
