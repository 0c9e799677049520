// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"math"
	"runtime"
	"runtime/cgo"
	"time"
)

// ---- Forwarding

// Forward carries what a stream gets to a stream of another bus: rill_forward.
type Forward struct {
	guard
	from, to *Bus // both stay for as long as it does
	ptr      *C.rill_forward
	cleanup  runtime.Cleanup
}

// Forward begins, or goes on where it was: rill_forward_open.
func (b *Bus) Forward(stream string, to *Bus, into string, opts *ForwardOptions) (*Forward, error) {
	if !b.enter() {
		return nil, closedError("bus")
	}
	defer b.leave()
	if to == nil || !to.enter() {
		return nil, closedError("bus that it goes to")
	}
	defer to.leave()
	var a arena
	defer a.free()
	c, err := toC[ForwardOptions, C.rill_forward_opts](&a, opts)
	if err != nil {
		return nil, err
	}
	here, err := a.text(stream)
	if err != nil {
		return nil, err
	}
	there, err := a.text(into)
	if err != nil {
		return nil, err
	}
	f := &Forward{from: b, to: to}
	if _, err := locked(func() C.int {
		return C.rill_forward_open(&f.ptr, b.ptr, here, to.ptr, there, c)
	}); err != nil {
		return nil, err
	}
	f.guard.open()
	f.cleanup = runtime.AddCleanup(f, func(p *C.rill_forward) { go C.rill_forward_close(p, 1000) },
		f.ptr)
	return f, nil
}

// Status says how it is: rill_forward_status.
func (f *Forward) Status(ctx context.Context) (ForwardInfo, error) {
	if !f.enter() {
		return ForwardInfo{}, closedError("forward")
	}
	defer f.leave()
	op, err := f.from.ask(ctx, C.RILL_DO_FORWARD_STATUS, func(_ *arena, c *C.rill_call) error {
		c.forward = f.ptr
		return nil
	})
	if err != nil {
		return ForwardInfo{}, err
	}
	return op.forward, nil
}

// Close sends no more, and waits for up to five seconds for what is under way.
func (f *Forward) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return f.Shutdown(ctx)
}

// Shutdown is Close with another time: rill_forward_close.
func (f *Forward) Shutdown(ctx context.Context) error {
	if !f.shut() {
		return nil
	}
	f.cleanup.Stop()
	f.await()
	wait := millis(left(ctx, math.MaxInt32*time.Millisecond))
	_, err := locked(func() C.int { return C.rill_forward_close(f.ptr, wait) })
	return err
}

// ---- Care of a store

type caring struct {
	ctx   context.Context
	over  func() bool // the bus is closed
	hear  func(Care)
	panic any
}

//export rillgoCare
func rillgoCare(c *C.rill_care, arg C.uintptr_t) (end C.int) {
	w := cgo.Handle(arg).Value().(*caring)
	defer func() {
		if v := recover(); v != nil { // it is the caller's, when C has returned
			w.panic, end = v, 1
		}
	}()
	if w.hear != nil {
		w.hear(fromC[Care](c))
	}
	if w.ctx.Err() != nil || w.over() {
		return 1
	}
	return 0
}

func (w *caring) run(call func(arg C.uintptr_t) C.rillgo_end) (int, error) {
	if w.ctx.Err() != nil {
		return 0, gaveUp(w.ctx)
	}
	handle := cgo.NewHandle(w)
	defer handle.Delete()
	end := call(C.uintptr_t(handle))
	err := ended(end)
	if w.panic != nil {
		panic(w.panic)
	}
	if w.ctx.Err() != nil {
		return max(int(end.rc), 0), gaveUp(w.ctx)
	}
	return max(int(end.rc), 0), err
}

// StoreCheck reads the files, checks all checksums, and returns how many damages there are:
// rill_store_check. hear, which may be nil, is told of each, and how far it is; ctx ends it between
// two of these reports.
func (b *Bus) StoreCheck(ctx context.Context, hear func(Care)) (int, error) {
	if !b.enter() {
		return 0, closedError("bus")
	}
	defer b.leave()
	return (&caring{ctx: ctx, over: b.isClosed, hear: hear}).run(func(arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_store_check(b.ptr, arg)
	})
}

// StoreSnapshot makes dir a store that holds what is committed by now: rill_store_snapshot.
func (b *Bus) StoreSnapshot(ctx context.Context, dir string) error {
	_, err := b.ask(ctx, C.RILL_DO_STORE_SNAPSHOT, named(dir))
	return err
}

// Salvage copies what can be read of the store in from to a new one in to, or, to empty, only looks:
// rill_store_salvage. It returns how many damages there are.
func Salvage(ctx context.Context, from, to string, hear func(Care)) (int, error) {
	if err := tooOld(); err != nil {
		return 0, err
	}
	var a arena
	defer a.free()
	source, err := a.text(from)
	if err != nil {
		return 0, err
	}
	target, err := a.optional(to)
	if err != nil {
		return 0, err
	}
	w := &caring{ctx: ctx, over: func() bool { return false }, hear: hear}
	return w.run(func(arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_store_salvage(source, target, arg)
	})
}
