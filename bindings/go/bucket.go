// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"io"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

func bucketed(opts *BucketOptions) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		c.bucket_opts, err = toC[BucketOptions, C.rill_bucket_opts](a, opts)
		return err
	}
}

// ---- Key-value

// KV is a bucket of keys and values: rill_kv.
type KV struct {
	guard
	bus     *Bus
	ptr     *C.rill_kv
	cleanup runtime.Cleanup
}

// KV opens a bucket, or creates it: rill_kv_open.
func (b *Bus) KV(ctx context.Context, bucket string, opts *BucketOptions) (*KV, error) {
	op, err := b.ask(ctx, C.RILL_DO_KV_OPEN, named(bucket, bucketed(opts)))
	if err != nil {
		return nil, err
	}
	k := &KV{bus: b, ptr: op.kv}
	k.guard.open()
	k.cleanup = runtime.AddCleanup(k, func(p *C.rill_kv) { C.rill_kv_close(p) }, k.ptr)
	return k, nil
}

// Close frees the handle.
func (k *KV) Close() error {
	if k.shut() {
		k.cleanup.Stop()
		k.await()
		C.rill_kv_close(k.ptr)
	}
	return nil
}

func (k *KV) ask(ctx context.Context, verb C.rill_verb,
	fill ...func(*arena, *C.rill_call) error) (*operation, error) {
	if !k.enter() {
		return nil, closedError("bucket")
	}
	defer k.leave()
	return k.bus.ask(ctx, verb, func(a *arena, c *C.rill_call) error {
		c.kv = k.ptr
		for _, f := range fill {
			if err := f(a, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func changing(opts *KVOptions) func(*arena, *C.rill_call) error {
	return func(a *arena, c *C.rill_call) (err error) {
		c.kv_opts, err = toC[KVOptions, C.rill_kv_opts](a, opts)
		return err
	}
}

func (k *KV) store(ctx context.Context, verb C.rill_verb, key string, value []byte,
	opts *KVOptions) (uint64, error) {
	op, err := k.ask(ctx, verb, named(key, carrying(value), changing(opts)))
	if err != nil {
		return 0, err
	}
	return op.count, nil
}

// Put stores a value, and returns its revision: rill_kv_put.
func (k *KV) Put(ctx context.Context, key string, value []byte, opts *KVOptions) (uint64, error) {
	return k.store(ctx, C.RILL_DO_KV_PUT, key, value, opts)
}

// Create stores it if the key is not there, or deleted; else EEXIST: rill_kv_create.
func (k *KV) Create(ctx context.Context, key string, value []byte, opts *KVOptions) (uint64, error) {
	return k.store(ctx, C.RILL_DO_KV_CREATE, key, value, opts)
}

// Get is the value; Msg.Seq is its revision. ENOENT if there is none: rill_kv_get.
func (k *KV) Get(ctx context.Context, key string) (*Msg, error) {
	op, err := k.ask(ctx, C.RILL_DO_KV_GET, named(key))
	if err != nil {
		return nil, err
	}
	return op.msg, nil
}

// Delete marks it deleted; its history stays: rill_kv_delete.
func (k *KV) Delete(ctx context.Context, key string, opts *KVOptions) error {
	_, err := k.ask(ctx, C.RILL_DO_KV_DELETE, named(key, changing(opts)))
	return err
}

// Purge deletes it with its history: rill_kv_purge.
func (k *KV) Purge(ctx context.Context, key string, opts *KVOptions) error {
	_, err := k.ask(ctx, C.RILL_DO_KV_PURGE, named(key, changing(opts)))
	return err
}

// Keys are those that have a value and match filter, or all: rill_kv_each.
func (k *KV) Keys(ctx context.Context, filter string) ([]string, error) {
	op, err := k.ask(ctx, C.RILL_DO_KV_EACH, func(a *arena, c *C.rill_call) (err error) {
		c.name, err = a.optional(filter)
		return err
	})
	if err != nil {
		return nil, err
	}
	return op.names, nil
}

// History is the revisions that are kept of a key, oldest first: rill_kv_history.
func (k *KV) History(ctx context.Context, key string) ([]*Msg, error) {
	op, err := k.ask(ctx, C.RILL_DO_KV_HISTORY, named(key))
	if err != nil {
		return nil, err
	}
	return op.msgs, nil
}

// Watch has the values there are, the last of them CaughtUp, and then each change: rill_kv_watch.
func (k *KV) Watch(ctx context.Context, opts *SubOptions) (*Sub, error) {
	if !k.enter() {
		return nil, closedError("bucket")
	}
	defer k.leave()
	return k.bus.opened(ctx, C.RILL_DO_KV_WATCH, false, opts, func(a *arena, c *C.rill_call) error {
		c.kv = k.ptr
		return reading(opts)(a, c)
	})
}

// ---- Objects

// Objects is a bucket of data of any length under names: rill_objs.
type Objects struct {
	guard
	bus     *Bus
	ptr     *C.rill_objs
	cleanup runtime.Cleanup
}

// Objects opens a bucket, or creates it: rill_objs_open.
func (b *Bus) Objects(ctx context.Context, bucket string, opts *BucketOptions) (*Objects, error) {
	op, err := b.ask(ctx, C.RILL_DO_OBJS_OPEN, named(bucket, bucketed(opts)))
	if err != nil {
		return nil, err
	}
	o := &Objects{bus: b, ptr: op.objs}
	o.guard.open()
	o.cleanup = runtime.AddCleanup(o, func(p *C.rill_objs) { C.rill_objs_close(p) }, o.ptr)
	return o, nil
}

// Close frees the handle.
func (o *Objects) Close() error {
	if o.shut() {
		o.cleanup.Stop()
		o.await()
		C.rill_objs_close(o.ptr)
	}
	return nil
}

func (o *Objects) ask(ctx context.Context, verb C.rill_verb,
	fill ...func(*arena, *C.rill_call) error) (*operation, error) {
	if !o.enter() {
		return nil, closedError("bucket")
	}
	defer o.leave()
	return o.bus.ask(ctx, verb, func(a *arena, c *C.rill_call) error {
		c.objs = o.ptr
		for _, f := range fill {
			if err := f(a, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// What the functions of an object's bytes work on.
type stream struct {
	ctx context.Context
	r   io.Reader
	w   io.Writer
	n   int64
	err error // that ended it
}

// guarded: what a reader or writer panics with is a panic of the caller, when C has returned.
func (s *stream) run(f func() error) (code Code) {
	defer func() {
		if v := recover(); v != nil {
			s.err = panicked{v}
			code = ECANCELED
		}
	}()
	if s.ctx.Err() != nil {
		s.err = gaveUp(s.ctx)
	} else {
		s.err = f()
	}
	if s.err != nil {
		return codeOf(s.err, EIO)
	}
	return 0
}

type panicked struct{ value any }

func (p panicked) Error() string { return "panicked" }

// end is the error of a call that has given up for the reader's or the writer's sake, or its own.
func (s *stream) end(end C.rillgo_end) error {
	err := ended(end)
	if p, ok := s.err.(panicked); ok {
		panic(p.value)
	}
	if err != nil && s.err != nil {
		e := err.(*Error)
		return &Error{Code: e.Code, Sentence: s.err.Error(), cause: s.err}
	}
	return err
}

//export rillgoSource
func rillgoSource(buf unsafe.Pointer, room C.size_t, arg C.uintptr_t) C.int64_t {
	s := cgo.Handle(arg).Value().(*stream)
	got := 0
	code := s.run(func() error {
		n, err := io.ReadFull(s.r, goBytes(buf, room))
		got = n
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		return err
	})
	if code != 0 {
		return C.int64_t(code)
	}
	s.n += int64(got)
	return C.int64_t(got)
}

//export rillgoSink
func rillgoSink(buf unsafe.Pointer, n C.size_t, arg C.uintptr_t) C.int {
	s := cgo.Handle(arg).Value().(*stream)
	return C.int(s.run(func() error {
		wrote, err := s.w.Write(goBytes(buf, n))
		s.n += int64(wrote)
		if err == nil && wrote < int(n) {
			err = io.ErrShortWrite
		}
		return err
	}))
}

func (o *Objects) pass(name string, s *stream, call func(name *C.char, arg C.uintptr_t) C.rillgo_end,
) (int64, error) {
	if !o.enter() {
		return 0, closedError("bucket")
	}
	defer o.leave()
	if s.ctx.Err() != nil {
		return 0, gaveUp(s.ctx)
	}
	var a arena
	defer a.free()
	text, err := a.text(name)
	if err != nil {
		return 0, err
	}
	handle := cgo.NewHandle(s)
	defer handle.Delete()
	err = s.end(call(text, C.uintptr_t(handle)))
	return s.n, err
}

// Put stores what r has, and replaces the object when all of it is stored: rill_obj_put. It looks at
// ctx between pieces.
func (o *Objects) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	return o.pass(name, &stream{ctx: ctx, r: r}, func(name *C.char, arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_obj_put(o.ptr, name, arg)
	})
}

// Get writes the object to w: rill_obj_get.
func (o *Objects) Get(ctx context.Context, name string, w io.Writer) (int64, error) {
	return o.pass(name, &stream{ctx: ctx, w: w}, func(name *C.char, arg C.uintptr_t) C.rillgo_end {
		return C.rillgo_obj_get(o.ptr, name, arg)
	})
}

// PutBytes stores data.
func (o *Objects) PutBytes(ctx context.Context, name string, data []byte) error {
	_, err := o.ask(ctx, C.RILL_DO_OBJ_PUT, named(name, carrying(data)))
	return err
}

// GetBytes is all of an object of up to 64 MiB.
func (o *Objects) GetBytes(ctx context.Context, name string) ([]byte, error) {
	op, err := o.ask(ctx, C.RILL_DO_OBJ_GET, named(name))
	if err != nil {
		return nil, err
	}
	return op.data, nil
}

// Status is about an object, or a link: rill_obj_status.
func (o *Objects) Status(ctx context.Context, name string) (ObjInfo, error) {
	op, err := o.ask(ctx, C.RILL_DO_OBJ_STATUS, named(name))
	if err != nil {
		return ObjInfo{}, err
	}
	return op.obj, nil
}

// Delete deletes an object, or a link: rill_obj_delete.
func (o *Objects) Delete(ctx context.Context, name string) error {
	_, err := o.ask(ctx, C.RILL_DO_OBJ_DELETE, named(name))
	return err
}

// Link makes name lead to an object of a bucket, or, target empty, to the bucket: rill_obj_link.
func (o *Objects) Link(ctx context.Context, name string, to *Objects, target string) error {
	if to == nil || !to.enter() {
		return closedError("bucket that the link leads to")
	}
	defer to.leave()
	_, err := o.ask(ctx, C.RILL_DO_OBJ_LINK, named(name), func(a *arena, c *C.rill_call) (err error) {
		c.to = to.ptr
		c.group, err = a.optional(target)
		return err
	})
	return err
}

// Names are those of the objects and links there are, in no order: rill_obj_each.
func (o *Objects) Names(ctx context.Context) ([]string, error) {
	op, err := o.ask(ctx, C.RILL_DO_OBJ_EACH)
	if err != nil {
		return nil, err
	}
	return op.names, nil
}

// Seal forbids all changes from now on, for ever: rill_objs_seal.
func (o *Objects) Seal(ctx context.Context) error {
	_, err := o.ask(ctx, C.RILL_DO_OBJS_SEAL)
	return err
}

// ObjectChange is what a watch has seen; CaughtUp with the last of what was there when it began.
type ObjectChange struct {
	ObjInfo
	CaughtUp bool
	Empty    bool // the bucket has nothing: ObjInfo is about no object
}

// ObjectWatch has the objects there are, and then each change: rill_obj_watch.
type ObjectWatch struct {
	sub *Sub
}

// Watch begins one. Of opts it looks at From, and at what bounds the queue.
func (o *Objects) Watch(ctx context.Context, opts *SubOptions) (*ObjectWatch, error) {
	if opts != nil && opts.OnMsg != nil {
		return nil, fail(EINVAL, "a watch of objects has no OnMsg")
	}
	if !o.enter() {
		return nil, closedError("bucket")
	}
	defer o.leave()
	s, err := o.bus.opened(ctx, C.RILL_DO_OBJ_WATCH, false, opts, func(a *arena,
		c *C.rill_call) error {
		c.objs = o.ptr
		return reading(opts)(a, c)
	})
	if err != nil {
		return nil, err
	}
	return &ObjectWatch{s}, nil
}

// Next is the next change.
func (w *ObjectWatch) Next(ctx context.Context) (*ObjectChange, error) {
	s := w.sub
	if !s.enter() {
		return nil, closedError("watch")
	}
	defer s.leave()
	if !s.reading.TryLock() {
		return nil, busy()
	}
	defer s.reading.Unlock()
	if s.at == s.n {
		if err := s.borrow(ctx, 1); err != nil {
			return nil, err
		}
	}
	lent := s.lent[s.at]
	s.at++
	change := &ObjectChange{CaughtUp: lent.flags&C.RILL_MSG_CAUGHT_UP != 0}
	if lent.key.len == 0 {
		change.Empty = true
		return change, nil
	}
	info := C.rill_obj_info{size: C.sizeof_rill_obj_info}
	_, err := locked(func() C.int { return C.rill_obj_told(lent, &info) })
	change.ObjInfo = fromC[ObjInfo](&info)
	return change, err
}

// Close ends the watch.
func (w *ObjectWatch) Close() error { return w.sub.Close() }
