// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Whatever asks a peer is begun by rill_start(), so that no thread stands still for it, and taken
// back by rill_cancel() when its context ends. Its item is made one of Go's on rill's thread, where
// no function of the program ever runs: it may wait for what only that thread can bring.

// outcome is rill_item, kept.
type outcome struct {
	err     error
	receipt Receipt
	msg     *Msg
	sub     *C.rill_sub
	kv      *C.rill_kv
	objs    *C.rill_objs
	count   uint64
	names   []string
	msgs    []*Msg
	descs   []StreamDesc
	data    []byte
	stream  StreamInfo
	group   GroupInfo
	subInfo SubInfo
	obj     ObjInfo
	forward ForwardInfo
}

type operation struct {
	bus  *Bus
	done chan struct{}
	outcome
}

//export rillgoDone
func rillgoDone(item *C.rill_item, arg C.uintptr_t) {
	handle := cgo.Handle(arg)
	op := handle.Value().(*operation)
	handle.Delete()
	op.take(item)
	close(op.done)
}

func (op *operation) take(item *C.rill_item) {
	if item.err < 0 {
		op.err = fail(Code(item.err), sentence(item))
		return
	}
	op.sub, op.kv, op.objs, op.count = item.sub, item.kv, item.objs, uint64(item.count)
	switch {
	case item.receipt != nil:
		op.receipt = receiptOf(item.receipt)
	case item.msg != nil:
		op.msg = op.bus.copied(item.msg)
	case item.stream_info != nil:
		op.stream = fromC[StreamInfo](item.stream_info)
	case item.group_info != nil:
		op.group = fromC[GroupInfo](item.group_info)
	case item.sub_info != nil:
		op.subInfo = fromC[SubInfo](item.sub_info)
	case item.obj_info != nil:
		op.obj = fromC[ObjInfo](item.obj_info)
	case item.forward_info != nil:
		op.forward = fromC[ForwardInfo](item.forward_info)
	case item.names != nil:
		for _, s := range unsafe.Slice(item.names, item.n) {
			op.names = append(op.names, C.GoStringN(s.ptr, C.int(s.len)))
		}
	case item.msgs != nil:
		for _, m := range unsafe.Slice(item.msgs, item.n) {
			op.msgs = append(op.msgs, op.bus.copied(m))
		}
	case item.descs != nil:
		for _, d := range unsafe.Slice(item.descs, item.n) {
			op.descs = append(op.descs, StreamDesc{C.GoString(d.name),
				fromC[StreamOptions](d.opts), fromC[StreamInfo](d.info)})
		}
	case item.data.ptr != nil:
		op.data = C.GoBytes(unsafe.Pointer(item.data.ptr), C.int(item.data.len))
	}
}

func receiptOf(c *C.rill_receipt) Receipt {
	return Receipt{uint64(c.seq), bool(c.duplicate), uint32(c.partition)}
}

func sentence(item *C.rill_item) string {
	if item.detail != nil {
		return C.GoString(item.detail)
	}
	return Code(item.err).Error()
}

// begin begins an operation. The bus is entered.
func (b *Bus) begin(start func(arg C.uintptr_t) C.rillgo_end) (*operation, cgo.Handle, error) {
	if err := b.before(); err != nil {
		return nil, 0, err
	}
	op := &operation{bus: b, done: make(chan struct{})}
	handle := cgo.NewHandle(op)
	if err := ended(start(C.uintptr_t(handle))); err != nil {
		handle.Delete()
		return nil, 0, err
	}
	return op, handle, nil
}

// beginPatiently is begin for what waits for room as a publish does.
func (b *Bus) beginPatiently(start func(arg C.uintptr_t) C.rillgo_end) (*operation, cgo.Handle,
	error) {
	if b.patient == 0 {
		return b.begin(start)
	}
	var op *operation
	var handle cgo.Handle
	_, err := b.patiently(func() (_ int, err error) {
		op, handle, err = b.begin(start)
		return 0, err
	})
	return op, handle, err
}

// finish waits for its end, or takes it back.
func (b *Bus) finish(ctx context.Context, op *operation, handle cgo.Handle) error {
	if b.host {
		if !b.drive(ctx, op) {
			b.cancel(handle)
			b.drive(context.Background(), op)
		}
		return op.afterCancel(ctx)
	}
	select {
	case <-op.done:
		return op.err
	case <-ctx.Done():
	}
	b.cancel(handle)
	<-op.done
	return op.afterCancel(ctx)
}

func (b *Bus) cancel(handle cgo.Handle) {
	if b.enter() {
		C.rillgo_cancel(b.ptr, C.uintptr_t(handle))
		b.leave()
	}
}

func (op *operation) afterCancel(ctx context.Context) error {
	if errors.Is(op.err, ECANCELED) && ctx.Err() != nil {
		return gaveUp(ctx)
	}
	return op.err
}

// drive waits with a bus that nobody else moves; false: ctx has ended first.
func (b *Bus) drive(ctx context.Context, op *operation) bool {
	for {
		select {
		case <-op.done:
			return true
		default:
		}
		if ctx.Err() != nil {
			return false
		}
		if !b.enter() {
			<-op.done
			return true
		}
		rc := C.rill_poll(b.ptr, millis(hostSlice))
		b.leave()
		if rc == C.RILL_EBUSY { // another goroutine moves it
			select {
			case <-op.done:
			case <-time.After(time.Millisecond):
			}
		}
	}
}

// ask makes one call. fill puts what the verb looks at into C's memory.
func (b *Bus) ask(ctx context.Context, verb C.rill_verb,
	fill func(a *arena, c *C.rill_call) error) (*operation, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	op, handle, err := b.start(verb, fill)
	if err != nil {
		return nil, err
	}
	if err := b.finish(ctx, op, handle); err != nil {
		return nil, err
	}
	return op, nil
}

func (b *Bus) start(verb C.rill_verb, fill func(a *arena, c *C.rill_call) error) (*operation,
	cgo.Handle, error) {
	if !b.enter() {
		return nil, 0, closedError("bus")
	}
	defer b.leave()
	var a arena
	defer a.free()
	call := (*C.rill_call)(a.alloc(C.sizeof_rill_call))
	call.size = C.sizeof_rill_call
	call.verb = verb
	call.timeout_ms = -1
	if fill != nil {
		if err := fill(&a, call); err != nil {
			return nil, 0, err
		}
	}
	return b.begin(func(arg C.uintptr_t) C.rillgo_end { return C.rillgo_start(b.ptr, call, arg) })
}

// named fills the name, which most verbs have.
func named(name string, more ...func(a *arena, c *C.rill_call) error) func(*arena,
	*C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		if c.name, err = a.text(name); err != nil {
			return err
		}
		for _, fill := range more {
			if err = fill(a, c); err != nil {
				return err
			}
		}
		return nil
	}
}

func carrying(data []byte) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) error {
		c.data, c.len = a.bytes(data), C.size_t(len(data))
		return nil
	}
}

func inGroup(group string) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		c.group, err = a.text(group)
		return err
	}
}

func reading(opts *SubOptions) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		c.sub_opts, err = toC[SubOptions, C.rill_sub_opts](a, opts)
		return err
	}
}

func from(at *At) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		c.at, err = toC[At, C.rill_at](a, at)
		return err
	}
}

// ---- Appends and requests

// Future is an append that is under way.
type Future struct {
	op     *operation
	handle cgo.Handle
}

// Done is closed when it is over.
func (f *Future) Done() <-chan struct{} { return f.op.done }

// Wait waits for the receipt. When ctx ends first, the append goes on; Cancel takes it back.
func (f *Future) Wait(ctx context.Context) (Receipt, error) {
	if f.op.bus.host {
		f.op.bus.drive(ctx, f.op)
	} else {
		select {
		case <-f.op.done:
		case <-ctx.Done():
		}
	}
	select {
	case <-f.op.done:
		return f.op.receipt, f.op.err
	default:
		return Receipt{}, gaveUp(ctx)
	}
}

// Cancel takes it back; what was sent may be stored all the same.
func (f *Future) Cancel() { f.op.bus.cancel(f.handle) }

// AppendAsync begins an append and does not wait: rill_append_async. Many may be under way.
func (b *Bus) AppendAsync(subject string, data []byte, post *Post) (*Future, error) {
	op, handle, err := b.send(subject, data, post, func(text *C.char, data unsafe.Pointer, n C.size_t,
		cpost *C.rill_post, arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_append_async(b.ptr, text, data, n, cpost, arg)
	})
	if err != nil {
		return nil, err
	}
	return &Future{op, handle}, nil
}

// Append publishes, and waits until the stream that takes the subject has stored it: rill_append.
func (b *Bus) Append(ctx context.Context, subject string, data []byte, post *Post) (Receipt, error) {
	if ctx.Err() != nil {
		return Receipt{}, gaveUp(ctx)
	}
	f, err := b.AppendAsync(subject, data, post)
	if err != nil {
		return Receipt{}, err
	}
	err = b.finish(ctx, f.op, f.handle)
	return f.op.receipt, err
}

// Request asks, and takes the first answer: rill_request. It waits as long as ctx says.
func (b *Bus) Request(ctx context.Context, subject string, data []byte, post *Post) (*Msg, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	op, handle, err := b.send(subject, data, post, func(text *C.char, data unsafe.Pointer, n C.size_t,
		cpost *C.rill_post, arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_request_async(b.ptr, text, data, n, cpost, arg)
	})
	if err == nil {
		err = b.finish(ctx, op, handle)
	}
	if err != nil {
		return nil, err
	}
	return op.msg, nil
}

func (b *Bus) send(subject string, data []byte, post *Post, form func(text *C.char,
	data unsafe.Pointer, n C.size_t, cpost *C.rill_post, arg C.uintptr_t) C.rillgo_end) (*operation,
	cgo.Handle, error) {
	if !b.enter() {
		return nil, 0, closedError("bus")
	}
	defer b.leave()
	var a arena
	defer a.free()
	text, cpost, err := a.posted(subject, post)
	if err != nil {
		return nil, 0, err
	}
	at := a.bytes(data)
	return b.beginPatiently(func(arg C.uintptr_t) C.rillgo_end {
		return form(text, at, C.size_t(len(data)), cpost, arg)
	})
}

// ---- Calls of the bus as a whole

// Flush waits until what was published or settled before is with its receivers: rill_flush.
func (b *Bus) Flush(ctx context.Context) error {
	if err := b.gathered(ctx); err != nil {
		return err
	}
	if _, err := b.ask(ctx, C.RILL_DO_FLUSH, nil); err != nil || b.out == nil {
		return err
	}
	return b.out.failure()
}

// Drain stops each subscription, waits for the handlers, which get what waits for them, and then for
// what was sent: rill_drain. It is not for a handler, which would wait for itself.
func (b *Bus) Drain(ctx context.Context) error {
	if err := b.gathered(ctx); err != nil {
		return err
	}
	if _, err := b.ask(ctx, C.RILL_DO_DRAIN, nil); err != nil {
		return err
	}
	b.mu.Lock()
	hearing := make([]*Sub, 0, len(b.hearing))
	for s := range b.hearing {
		hearing = append(hearing, s)
	}
	b.mu.Unlock()
	for _, s := range hearing {
		select {
		case <-s.heard:
		case <-ctx.Done():
			return gaveUp(ctx)
		}
	}
	return b.Flush(ctx)
}

// JetStreamAsk asks what the JetStream API of the broker answers on a subject: rill_jetstream_ask.
func (b *Bus) JetStreamAsk(ctx context.Context, subject string, body []byte) (*Msg, error) {
	op, err := b.ask(ctx, C.RILL_DO_JETSTREAM_ASK, named(subject, carrying(body)))
	if err != nil {
		return nil, err
	}
	return op.msg, nil
}
