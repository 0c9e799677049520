// SPDX-License-Identifier: Apache-2.0

// Package rill is messaging that you link: publish/subscribe, request/reply and durable streams over
// one set of handles, with the broker inside this process and a listener on it for everybody else.
//
//	bus, err := rill.Open(ctx, "mem:", nil) // or "file:DIR", "nats://HOST"
//	sub, err := bus.Subscribe(ctx, "greet.*", nil)
//	err = bus.Publish("greet.world", []byte("hello"), nil)
//	m, err := sub.Next(ctx)
//	fmt.Println(m.Subject, string(m.Data))
//
// It is all of rill.h, which says what a call does, when it fails and what its options mean; the
// names are those, less the prefix. What may wait takes a context, and no thread stands still for
// it. What a handle has is freed by Close; a handle that is forgotten is closed some time, when the
// collector finds it, unless an OnMsg keeps it. Any goroutine may use a handle, and close it while
// another one is within a call of it. Nothing of the program runs on rill's threads but Dial and the
// functions of a wire.
package rill

// #cgo pkg-config: rill
// #include "shim.h"
import "C"
