// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"runtime"
	"time"
	"unsafe"
)

// ---- Streams

// StreamEnsure makes it be so; true if it was created: rill_stream_ensure.
func (b *Bus) StreamEnsure(ctx context.Context, stream string, opts *StreamOptions) (bool, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_ENSURE, named(stream, func(a *arena,
		c *C.rill_call) (err error) {
		c.stream_opts, err = toC[StreamOptions, C.rill_stream_opts](a, opts)
		return err
	}))
	return err == nil && op.count == 1, err
}

// StreamDelete deletes it with its messages and groups.
func (b *Bus) StreamDelete(ctx context.Context, stream string) error {
	_, err := b.ask(ctx, C.RILL_DO_STREAM_DELETE, named(stream))
	return err
}

// StreamStatus is rill_stream_status.
func (b *Bus) StreamStatus(ctx context.Context, stream string) (StreamInfo, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_STATUS, named(stream))
	if err != nil {
		return StreamInfo{}, err
	}
	return op.stream, nil
}

// Streams are the names of all, in order: rill_stream_each.
func (b *Bus) Streams(ctx context.Context) ([]string, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_EACH, nil)
	if err != nil {
		return nil, err
	}
	return op.names, nil
}

// StreamDescribe is a stream as it is: StreamEnsure with its Options would make it so anew.
func (b *Bus) StreamDescribe(ctx context.Context, stream string) (StreamDesc, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_DESCRIBE, named(stream))
	if err != nil {
		return StreamDesc{}, err
	}
	return op.descs[0], nil
}

// DescribeStreams are all of them, in the order of their names.
func (b *Bus) DescribeStreams(ctx context.Context) ([]StreamDesc, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_DESCRIBE, nil)
	if err != nil {
		return nil, err
	}
	return op.descs, nil
}

// StreamPurge removes what matches, and says how many that were: rill_stream_purge.
func (b *Bus) StreamPurge(ctx context.Context, stream string, opts *PurgeOptions) (uint64, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_PURGE, named(stream, func(a *arena,
		c *C.rill_call) (err error) {
		c.purge_opts, err = toC[PurgeOptions, C.rill_purge_opts](a, opts)
		return err
	}))
	if err != nil {
		return 0, err
	}
	return op.count, nil
}

// StreamGet is one message: rill_stream_get.
func (b *Bus) StreamGet(ctx context.Context, stream string, at *At) (*Msg, error) {
	op, err := b.ask(ctx, C.RILL_DO_STREAM_GET, named(stream, from(at)))
	if err != nil {
		return nil, err
	}
	return op.msg, nil
}

// StreamErase removes one message and overwrites its bytes: rill_stream_erase.
func (b *Bus) StreamErase(ctx context.Context, stream string, at *At) error {
	_, err := b.ask(ctx, C.RILL_DO_STREAM_ERASE, named(stream, from(at)))
	return err
}

// ---- Groups

// GroupEnsure makes the group be so; true if it was created: rill_group_ensure.
func (b *Bus) GroupEnsure(ctx context.Context, stream, group string, opts *SubOptions) (bool, error) {
	op, err := b.ask(ctx, C.RILL_DO_GROUP_ENSURE, named(stream, inGroup(group), reading(opts)))
	return err == nil && op.count == 1, err
}

// GroupStatus looks at a group without being a member: rill_group_status.
func (b *Bus) GroupStatus(ctx context.Context, stream, group string) (GroupInfo, error) {
	op, err := b.ask(ctx, C.RILL_DO_GROUP_STATUS, named(stream, inGroup(group)))
	if err != nil {
		return GroupInfo{}, err
	}
	return op.group, nil
}

// Groups are the names of a stream's groups, in order: rill_group_each.
func (b *Bus) Groups(ctx context.Context, stream string) ([]string, error) {
	op, err := b.ask(ctx, C.RILL_DO_GROUP_EACH, named(stream))
	if err != nil {
		return nil, err
	}
	return op.names, nil
}

// GroupSeek sends a group elsewhere: rill_group_seek.
func (b *Bus) GroupSeek(ctx context.Context, stream, group string, at *At) error {
	_, err := b.ask(ctx, C.RILL_DO_GROUP_SEEK, named(stream, inGroup(group), from(at)))
	return err
}

// GroupPause delivers nothing to the group until then: rill_group_pause. The zero time: go on.
func (b *Bus) GroupPause(ctx context.Context, stream, group string, until time.Time) error {
	_, err := b.ask(ctx, C.RILL_DO_GROUP_PAUSE, named(stream, inGroup(group), func(_ *arena,
		c *C.rill_call) error {
		if !until.IsZero() {
			c.time_ns = C.int64_t(until.UnixNano())
		}
		return nil
	}))
	return err
}

// GroupDelete ends the group: rill_group_delete.
func (b *Bus) GroupDelete(ctx context.Context, stream, group string) error {
	_, err := b.ask(ctx, C.RILL_DO_GROUP_DELETE, named(stream, inGroup(group)))
	return err
}

// ---- Batches

// Batch is messages to be stored all or none: rill_batch. One goroutine at a time puts it together.
type Batch struct {
	guard
	bus     *Bus
	ptr     *C.rill_batch
	cleanup runtime.Cleanup
}

// Batch begins one: rill_batch_begin.
func (b *Bus) Batch(opts *BatchOptions) (*Batch, error) {
	if !b.enter() {
		return nil, closedError("bus")
	}
	defer b.leave()
	var a arena
	defer a.free()
	copts, err := toC[BatchOptions, C.rill_batch_opts](&a, opts)
	if err != nil {
		return nil, err
	}
	t := &Batch{bus: b}
	if _, err := locked(func() C.int { return C.rill_batch_begin(b.ptr, &t.ptr, copts) }); err != nil {
		return nil, err
	}
	t.guard.open()
	t.cleanup = runtime.AddCleanup(t, func(p *C.rill_batch) { C.rill_batch_close(p) }, t.ptr)
	return t, nil
}

// Add adds a message: rill_batch_add.
func (t *Batch) Add(subject string, data []byte, post *Post) error {
	if !t.enter() {
		return closedError("batch")
	}
	defer t.leave()
	var a arena
	defer a.free()
	text, cpost, err := a.posted(subject, post)
	if err != nil {
		return err
	}
	n := len(data)
	if n == 0 {
		data = nothing[:]
	}
	return ended(C.rillgo_batch_add(t.ptr, text, unsafe.Pointer(&data[0]), C.size_t(n), cpost))
}

// AddAll adds each of data, with one crossing to C for all of them, and says how many it has added.
func (t *Batch) AddAll(subject string, data [][]byte, post *Post) (int, error) {
	if !t.enter() {
		return 0, closedError("batch")
	}
	defer t.leave()
	var a arena
	defer a.free()
	text, cpost, err := a.posted(subject, post)
	if err != nil {
		return 0, err
	}
	return packed(data, func(blob []byte, lens []uint32) (int, error) {
		var code C.int
		end := C.rillgo_batch_add_all(t.ptr, text, (*C.char)(unsafe.Pointer(&blob[0])),
			(*C.uint32_t)(unsafe.Pointer(&lens[0])), C.size_t(len(lens)), cpost, &code)
		if end.why != nil {
			return int(end.rc), told(Code(code), end.why)
		}
		return int(end.rc), nil
	})
}

// Commit stores all or none: rill_batch_commit. After ETIMEDOUT it is under way, and Commit waits
// for its end again.
func (t *Batch) Commit(ctx context.Context) (Receipt, error) {
	if !t.enter() {
		return Receipt{}, closedError("batch")
	}
	defer t.leave()
	op, err := t.bus.ask(ctx, C.RILL_DO_BATCH_COMMIT, func(_ *arena, c *C.rill_call) error {
		c.batch = t.ptr
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return op.receipt, nil
}

// Close frees it: what was not sent is dropped, what is under way goes on.
func (t *Batch) Close() error {
	if t.shut() {
		t.cleanup.Stop()
		t.await()
		C.rill_batch_close(t.ptr)
	}
	return nil
}
