// SPDX-License-Identifier: Apache-2.0

package rill

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// One broker, and a program in another language at it: each publishes, stores, sets and keeps what the
// other one reads. The program is said by RILL_PEER_C and RILL_PEER_PYTHON.

func TestBesideC(t *testing.T)      { beside(t, os.Getenv("RILL_PEER_C")) }
func TestBesidePython(t *testing.T) { beside(t, os.Getenv("RILL_PEER_PYTHON")) }

func beside(t *testing.T, peer string) {
	if peer == "" {
		t.Skip("no program of that language was named")
	}
	ctx := soon(t)
	broker, at := serve(t, &BrokerOptions{JetStream: true})
	bus := must[*Bus](t)(Open(ctx, "nats://"+at, nil))
	defer bus.Close()
	must[bool](t)(bus.StreamEnsure(ctx, "S", &StreamOptions{Subjects: "s.*", InMemory: true}))
	must[Receipt](t)(bus.Append(ctx, "s.go", []byte("stored by Go"),
		&Post{Headers: []Header{{"From", "Go"}}}))
	kv := must[*KV](t)(bus.KV(ctx, "kv", &BucketOptions{InMemory: true}))
	must[uint64](t)(kv.Put(ctx, "go", []byte("set by Go"), nil))
	objs := must[*Objects](t)(bus.Objects(ctx, "objs", &BucketOptions{InMemory: true}))
	ok(t, objs.PutBytes(ctx, "go", bytes.Repeat([]byte("Go"), 200000)))
	hear(t, bus, "ask.go", &SubOptions{OnMsg: func(m *Msg) {
		m.Respond(append([]byte("Go answers "), m.Data...), nil)
	}})
	live := hear(t, bus, "live", nil)

	command := append(strings.Fields(peer), "nats://"+at)
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := []string{"stored by Go, from Go", "set by Go", "400000 bytes", "Go answers a question"}
	if !slices.Equal(got, want) {
		t.Fatal(got)
	}
	m := must[*Msg](t)(live.Next(ctx))
	from, _ := m.Header("From")
	is(t, string(m.Data), "published by "+from)
	is(t, string(must[*Msg](t)(bus.StreamGet(ctx, "S", AtSeq(2))).Data), "stored by "+from)
	is(t, string(must[*Msg](t)(kv.Get(ctx, "peer")).Data), "set by "+from)
	is(t, len(must[[]byte](t)(objs.GetBytes(ctx, "peer"))), 300000)
	sub := must[*Sub](t)(bus.Consume(ctx, "S", &SubOptions{Group: "both"}))
	defer sub.Close()
	is(t, must[*Msg](t)(sub.Next(ctx)).Seq(), 2) // the peer has acked the first
	is(t, must[Stats](t)(broker.Stats()).Conns >= 1, true)
	fmt.Println("beside", from)
}
