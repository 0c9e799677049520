// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
// #cgo noescape rillgo_read
// #cgo noescape rillgo_settle
import "C"

import (
	"context"
	"errors"
	"iter"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// readMax is how many live messages cross from C at a time.
const readMax = 256

// Sub is whatever yields messages: rill_sub. One goroutine reads it at a time (EBUSY).
//
// Messages that nobody acks are lent by rill up to 256 at a time, and copied as they are asked for.
// Those of Consume are fetched one by one, or as many as Read is asked for, since the time that a
// message may take until its ack runs from there. Who waits holds no thread: the descriptor of the
// subscription is watched by Go's own poller.
type Sub struct {
	guard
	bus     *Bus
	ptr     *C.rill_sub
	acked   bool // by Consume
	auto    bool // ... and by itself, when the next is read
	cleanup runtime.Cleanup
	heard   chan struct{} // closed when OnMsg is called no more; nil without

	mu   sync.Mutex // of file
	file *os.File   // a duplicate of rill_sub_fd(); nil until somebody waits
	raw  syscall.RawConn

	reading sync.Mutex // and of what follows
	lent    []*C.rill_msg
	at, n   int // of lent: those that are not copied yet
	made    []Msg
	turn    atomic.Uint64 // counts the loans; OnMsg's goroutine reads it without `reading`
}

// Subscribe hears live messages; `*` in the subject stands for one token, and a last `>` for the
// rest. It is in force when this returns: rill_subscribe.
func (b *Bus) Subscribe(ctx context.Context, subject string, opts *SubOptions) (*Sub, error) {
	return b.opened(ctx, C.RILL_DO_SUBSCRIBE, false, opts, named(subject, reading(opts)))
}

// Consume reads stored messages with acks: rill_consume.
func (b *Bus) Consume(ctx context.Context, stream string, opts *SubOptions) (*Sub, error) {
	return b.opened(ctx, C.RILL_DO_CONSUME, true, opts, named(stream, reading(opts)))
}

// Tail reads stored messages in order, with no acks; then what comes: rill_tail.
func (b *Bus) Tail(ctx context.Context, stream string, opts *SubOptions) (*Sub, error) {
	return b.opened(ctx, C.RILL_DO_TAIL, false, opts, named(stream, reading(opts)))
}

func (b *Bus) opened(ctx context.Context, verb C.rill_verb, acked bool, opts *SubOptions,
	fill func(*arena, *C.rill_call) error) (*Sub, error) {
	op, err := b.ask(ctx, verb, fill)
	if err != nil {
		return nil, err
	}
	s := &Sub{bus: b, ptr: op.sub, acked: acked,
		auto: acked && opts != nil && opts.Ack == AckAuto}
	s.guard.open()
	b.hooks.knows(s)
	s.cleanup = runtime.AddCleanup(s, func(e subEnd) { e.close() }, subEnd{s.ptr, b.hooks})
	if opts != nil && opts.OnMsg != nil {
		s.hear(opts.OnMsg)
	}
	return s, nil
}

type subEnd struct {
	ptr   *C.rill_sub
	hooks *hooks
}

func (e subEnd) close() {
	e.hooks.forget(e.ptr)
	C.rill_sub_close(e.ptr)
}

// Close unsubscribes. Who waits for a message gets ECLOSED. It does not wait for OnMsg, so that
// OnMsg may call it: see Done.
func (s *Sub) Close() error {
	if !s.shut() {
		return nil
	}
	s.cleanup.Stop()
	s.mu.Lock()
	if s.file != nil {
		s.file.Close() // who waits for it is woken
	}
	s.mu.Unlock()
	s.await()
	subEnd{s.ptr, s.bus.hooks}.close()
	return nil
}

// Closed says whether it is closed.
func (s *Sub) Closed() bool { return s.isClosed() }

// Done is closed when OnMsg is not called any more. It is nil, and blocks for ever, without OnMsg.
func (s *Sub) Done() <-chan struct{} { return s.heard }

// Stop asks for no more; what waits can still be read, then ECLOSED: rill_sub_stop.
func (s *Sub) Stop() error {
	if !s.enter() {
		return closedError("subscription")
	}
	defer s.leave()
	_, err := locked(func() C.int { return C.rill_sub_stop(s.ptr) })
	return err
}

// Status is rill_sub_status. Live messages that were lent together count as read.
func (s *Sub) Status(ctx context.Context) (SubInfo, error) {
	if !s.enter() {
		return SubInfo{}, closedError("subscription")
	}
	defer s.leave()
	op, err := s.bus.ask(ctx, C.RILL_DO_SUB_STATUS, s.fill)
	if err != nil {
		return SubInfo{}, err
	}
	return op.subInfo, nil
}

func (s *Sub) fill(_ *arena, c *C.rill_call) error {
	c.sub = s.ptr
	return nil
}

// Seek reads on from there: rill_seek. It is for the goroutine that reads. With an OnMsg that is
// OnMsg itself: while the subscription waits for a message, everybody else gets EBUSY.
func (s *Sub) Seek(ctx context.Context, at *At) error {
	if !s.enter() {
		return closedError("subscription")
	}
	defer s.leave()
	if !s.reading.TryLock() {
		return busy()
	}
	defer s.reading.Unlock()
	if _, err := s.bus.ask(ctx, C.RILL_DO_SEEK, func(a *arena, c *C.rill_call) error {
		c.sub = s.ptr
		return from(at)(a, c)
	}); err != nil {
		return err
	}
	s.turn.Add(1)
	s.at, s.n, s.made = 0, 0, nil // what was read ahead is dropped, like the rest of the queue
	return nil
}

func busy() error { return fail(EBUSY, "another goroutine reads this subscription") }

// ---- Reading

// Next is the next message. After the last it is ECLOSED; when ctx ends, an error that is also
// ctx.Err().
func (s *Sub) Next(ctx context.Context) (*Msg, error) {
	if !s.enter() {
		return nil, closedError("subscription")
	}
	defer s.leave()
	if !s.reading.TryLock() {
		return nil, busy()
	}
	defer s.reading.Unlock()
	if len(s.made) == 0 {
		if err := s.more(ctx, s.ahead()); err != nil {
			return nil, err
		}
	}
	m := &s.made[0]
	s.made = s.made[1:]
	return m, nil
}

// Read is up to max of them; it waits for the first only: rill_read.
func (s *Sub) Read(ctx context.Context, max int) ([]*Msg, error) {
	if max < 1 || max > 4096 {
		return nil, fail(EINVAL, "a read has 1 to 4096 messages")
	}
	if !s.enter() {
		return nil, closedError("subscription")
	}
	defer s.leave()
	if !s.reading.TryLock() {
		return nil, busy()
	}
	defer s.reading.Unlock()
	if len(s.made) == 0 {
		if err := s.more(ctx, max); err != nil {
			return nil, err
		}
	}
	list := make([]*Msg, 0, min(max, len(s.made)+s.n-s.at))
	for len(list) < max && (len(s.made) > 0 || s.at < s.n) {
		if len(s.made) == 0 {
			s.copy()
		}
		list = append(list, &s.made[0])
		s.made = s.made[1:]
	}
	return list, nil
}

func (s *Sub) ahead() int {
	if s.acked {
		return 1
	}
	return readMax
}

// more copies what is lent, after rill has lent up to max more if nothing is.
func (s *Sub) more(ctx context.Context, max int) error {
	if s.at == s.n {
		if err := s.borrow(ctx, max); err != nil {
			return err
		}
	}
	s.copy()
	return nil
}

func (s *Sub) copy() {
	lent := s.lent[s.at:s.n]
	s.made = s.bus.copies(lent)
	for i := range s.made {
		switch m := &s.made[i]; {
		case !s.acked:
		case m.stored == nil: // a server has sent it outside of any stream: nobody can ack it
			if !s.auto {
				C.rill_msg_unref(lent[i])
			}
		case s.auto:
			m.stored.own = &own{ptr: lent[i], sub: s, turn: s.turn.Load()}
		default:
			m.stored.keep(lent[i])
		}
	}
	s.at += len(s.made)
}

func (s *Sub) borrow(ctx context.Context, max int) error {
	if len(s.lent) < max {
		s.lent = make([]*C.rill_msg, max)
	}
	s.at, s.n = 0, 0
	s.turn.Add(1)
	end, some := s.take(max, 0)
	if !some {
		if ctx.Err() != nil {
			return gaveUp(ctx)
		}
		if s.bus.host {
			end = s.drive(ctx, max)
		} else if err := s.wait(ctx, max, &end); err != nil {
			return err
		}
	}
	if end.rc == C.RILL_EAGAIN || end.rc == C.RILL_ETIMEDOUT {
		return gaveUp(ctx)
	}
	return s.lends(end)
}

func (s *Sub) lends(end C.rillgo_end) error {
	if end.rc < 0 {
		return ended(end)
	}
	for i := range int(end.rc) {
		if s.lent[i] == nil { // of rill_msg_ref()
			return fail(ENOMEM, "no memory for a message that is to be acked")
		}
	}
	s.n = int(end.rc)
	return nil
}

// take reads without waiting for long; false: nothing has come.
func (s *Sub) take(max int, wait C.int) (C.rillgo_end, bool) {
	end := C.rillgo_read(s.ptr, &s.lent[0], C.size_t(max), wait, C.bool(s.acked && !s.auto))
	return end, end.rc != C.RILL_EAGAIN && end.rc != C.RILL_ETIMEDOUT
}

// settleLent settles a message that is lent, if the next one has not been asked for since.
func (s *Sub) settleLent(o *own, how C.int, delay C.uint32_t) error {
	if !s.enter() {
		return closedError("subscription")
	}
	defer s.leave()
	if !s.reading.TryLock() {
		return fail(ENOENT, "the message was settled, as the next one is read")
	}
	defer s.reading.Unlock()
	if s.turn.Load() != o.turn {
		return fail(ENOENT, "the message was settled when the next one was read")
	}
	err := ended(C.rillgo_settle(o.ptr, how, delay, false))
	if err == nil && how != C.RILLGO_WORKING {
		o.ptr = nil
	}
	return err
}

// drive reads of a bus that whoever waits moves.
func (s *Sub) drive(ctx context.Context, max int) C.rillgo_end {
	for {
		end, some := s.take(max, millis(min(left(ctx, hostSlice), hostSlice)))
		if some || ctx.Err() != nil {
			return end
		}
		if s.isClosed() {
			return C.rillgo_end{rc: C.RILL_ECLOSED}
		}
	}
}

// wait reads when the descriptor is readable, until something has come. A deadline in the past wakes
// whoever waits for the file, so that is how ctx ends it.
func (s *Sub) wait(ctx context.Context, max int, end *C.rillgo_end) error {
	raw, err := s.watch()
	if err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { s.file.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	for {
		some := false
		err := raw.Read(func(uintptr) bool {
			*end, some = s.take(max, 0)
			return some
		})
		switch {
		case some:
			return nil
		case s.isClosed():
			return closedError("subscription")
		case ctx.Err() != nil:
			return gaveUp(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded): // of a wait that was over before
			s.file.SetReadDeadline(time.Time{})
			if ctx.Err() != nil {
				return gaveUp(ctx)
			}
		case err != nil:
			return &Error{Code: EIO, Sentence: "the subscription's descriptor: " + err.Error(), cause: err}
		}
	}
}

func (s *Sub) watch() (syscall.RawConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, closedError("subscription")
	}
	if s.file != nil {
		return s.raw, nil
	}
	fd, err := locked(func() C.int { return C.rill_sub_fd(s.ptr) })
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock()
	own, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(own)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, &Error{Code: EIO, Sentence: "no descriptor is left: " + err.Error(), cause: err}
	}
	s.file = os.NewFile(uintptr(own), "rill_sub")
	s.raw, err = s.file.SyscallConn()
	return s.raw, err
}

// Messages yields one after the other: for m, err := range sub.Messages(ctx). It ends after the last
// one; an error, that of ctx included, is yielded once, and is the end.
func (s *Sub) Messages(ctx context.Context) iter.Seq2[*Msg, error] {
	return func(yield func(*Msg, error) bool) {
		for {
			m, err := s.Next(ctx)
			if errors.Is(err, ECLOSED) {
				return
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Chan has the messages in a channel with so much room, which is closed after the last one, or when
// ctx ends. A message of Consume counts as handed out when it is put there.
func (s *Sub) Chan(ctx context.Context, room int) <-chan *Msg {
	c := make(chan *Msg, room)
	go func() {
		defer close(c)
		for m, err := range s.Messages(ctx) {
			if err != nil {
				return
			}
			select {
			case c <- m:
			case <-ctx.Done():
				m.Nak(0) // nobody will have it; of another kind it is gone
				return
			}
		}
	}()
	return c
}

// ---- OnMsg

func (s *Sub) hear(f func(*Msg)) {
	b := s.bus
	s.heard = make(chan struct{})
	b.mu.Lock()
	if b.hearing == nil {
		b.hearing = map[*Sub]struct{}{}
	}
	b.hearing[s] = struct{}{}
	b.mu.Unlock()
	go func() {
		defer func() {
			b.mu.Lock()
			delete(b.hearing, s)
			b.mu.Unlock()
			close(s.heard)
		}()
		for {
			run, err := s.run()
			if err != nil {
				return
			}
			for len(run) > 0 && !s.isClosed() {
				run = s.give(f, run)
			}
		}
	}()
}

// run is what has come, as many as were copied together.
func (s *Sub) run() ([]Msg, error) {
	if !s.enter() {
		return nil, closedError("subscription")
	}
	defer s.leave()
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(s.made) == 0 {
		if err := s.more(context.Background(), s.ahead()); err != nil {
			return nil, err
		}
	}
	run := s.made
	s.made = nil
	return run, nil
}

// give calls f with one after the other, up to one that panics, a close, or a seek; it returns what
// is left.
func (s *Sub) give(f func(*Msg), run []Msg) []Msg {
	i, turn := 0, s.turn.Load()
	if !guarded(s.bus.onPanic, func() {
		for ; i < len(run) && !s.isClosed() && s.turn.Load() == turn; i++ {
			f(&run[i])
		}
	}) {
		if m := &run[i]; !m.settled() {
			m.Nak(0)
		}
		i++
	}
	if s.turn.Load() != turn {
		return nil
	}
	return run[i:]
}
