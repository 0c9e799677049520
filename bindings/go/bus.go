// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
// #cgo noescape rillgo_publish_quick
// #cgo nocallback rillgo_publish_quick
// #cgo nocallback rill_caps
// #cgo nocallback rill_errname
// #cgo nocallback rill_strerror
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// closeTime is how long Close may take.
const closeTime = 5 * time.Second

// Bus is a door to a broker: rill_bus.
type Bus struct {
	guard
	ptr     *C.rill_bus
	hooks   *hooks
	handle  cgo.Handle // of hooks
	host    bool       // DriveHost: whoever waits moves it
	turns   bool       // a publish may turn doors, which call Go
	onPanic func(any, []byte)
	cleanup runtime.Cleanup
	out     *outbox       // nil: each publish crosses to C at once
	broker  *Broker       // of Broker.Bus; the collector does not close a broker before its bus
	patient time.Duration // Options.SendTimeout, if C is given a part of it at a time; else 0

	mu      sync.Mutex
	hearing map[*Sub]struct{} // whose OnMsg runs
}

// Version of the library that is linked, 0xMMmmpp.
func Version() uint32 { return uint32(C.rill_version()) }

func tooOld() error {
	if have := Version(); have < C.RILL_VERSION {
		return fail(ENOTSUP, fmt.Sprintf("librill is version %#06x, and this package was built with %#06x",
			have, uint32(C.RILL_VERSION)))
	}
	return nil
}

// Open opens "mem:", "file:DIR", "nats://HOST:PORT", "kafka://HOST:PORT": rill_open. When ctx ends
// first, what is opened later is closed at once.
func Open(ctx context.Context, url string, opts *Options) (*Bus, error) {
	if err := tooOld(); err != nil {
		return nil, err
	}
	return within(ctx, func() (*Bus, error) {
		var a arena
		defer a.free()
		at, err := a.text(url)
		if err != nil {
			return nil, err
		}
		return newBus(&a, opts, func(b *Bus, copts *C.rill_opts, events, dial bool) C.rillgo_end {
			if gathers(url, opts) {
				b.out = &outbox{}
			}
			return C.rillgo_open(&b.ptr, at, copts, C.bool(events), C.bool(dial), C.uintptr_t(b.handle))
		})
	}, func(b *Bus) { b.Close() })
}

// within runs what cannot be taken back. When ctx ends first, late is called with what it made.
func within[T any](ctx context.Context, make func() (*T, error), late func(*T)) (*T, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	if ctx.Done() == nil {
		return make()
	}
	type result struct {
		made *T
		err  error
	}
	done := newPost[result]()
	go func() {
		made, err := make()
		if !done.give(result{made, err}) && err == nil {
			late(made)
		}
	}()
	select {
	case r := <-done.c:
		return r.made, r.err
	case <-ctx.Done():
		if r, ok := done.refuse(); ok {
			return r.made, r.err
		}
		return nil, gaveUp(ctx)
	}
}

// A place for one result, which its taker may refuse.
type letterbox[T any] struct {
	mu      sync.Mutex
	refused bool
	c       chan T
}

func newPost[T any]() *letterbox[T] { return &letterbox[T]{c: make(chan T, 1)} }

func (l *letterbox[T]) give(v T) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused {
		return false
	}
	l.c <- v
	return true
}

// refuse takes what is there already.
func (l *letterbox[T]) refuse() (v T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case v = <-l.c:
		return v, true
	default:
		l.refused = true
		return v, false
	}
}

// What is made of the pointer when the last one has forgotten the bus.
type busEnd struct {
	ptr    *C.rill_bus
	handle cgo.Handle
	hooks  *hooks
}

func newBus(a *arena, opts *Options,
	open func(b *Bus, copts *C.rill_opts, events, dial bool) C.rillgo_end) (*Bus, error) {
	if opts == nil {
		opts = &Options{}
	}
	copts, err := toC[Options, C.rill_opts](a, opts)
	if err != nil {
		return nil, err
	}
	b := &Bus{hooks: newHooks(opts), host: opts.Drive == DriveHost, onPanic: opts.OnPanic}
	b.turns = b.host
	if opts.SendTimeout < 0 || opts.SendTimeout > sendSlice {
		b.patient = opts.SendTimeout
		copts.send_timeout_ms = C.int32_t(millis(sendSlice))
	}
	b.handle = cgo.NewHandle(b.hooks)
	end := open(b, copts, opts.OnEvent != nil, opts.Dial != nil)
	if err := ended(end); err != nil {
		b.hooks.end()
		b.handle.Delete()
		return nil, err
	}
	b.guard.open()
	b.cleanup = runtime.AddCleanup(b, func(e busEnd) { go e.close(closeTime) },
		busEnd{b.ptr, b.handle, b.hooks})
	return b, nil
}

func (e busEnd) close(wait time.Duration) error {
	runtime.LockOSThread()
	rc := C.rill_close(e.ptr, millis(wait))
	err := failed(int64(rc))
	runtime.UnlockOSThread()
	e.hooks.end()
	if err == nil {
		e.handle.Delete() // else a callback still runs
	}
	return err
}

// failed makes the error of a call on this thread, which is locked.
func failed(rc int64) error {
	if rc >= 0 {
		return nil
	}
	return fail(Code(rc), C.GoString(C.rill_errmsg()))
}

// locked makes a call, and its error, on one thread.
func locked(call func() C.int) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rc := call()
	return int(rc), failed(int64(rc))
}

func millis(d time.Duration) C.int {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return C.int(min(max(ms, 0), math.MaxInt32))
}

// The time that a context leaves, and no more than limit.
func left(ctx context.Context, limit time.Duration) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return min(time.Until(at), limit)
	}
	return limit
}

// Close ends the bus, and waits for up to five seconds for the appends that are under way. It ends
// the subscriptions' reading, and does not wait for handlers.
func (b *Bus) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return b.Shutdown(ctx)
}

// Shutdown is Close with another time: rill_close. Without a deadline it waits as long as it takes.
func (b *Bus) Shutdown(ctx context.Context) error {
	unsent := b.endGathering(ctx)
	if !b.shut() {
		return nil
	}
	b.cleanup.Stop()
	b.await()
	err := busEnd{b.ptr, b.handle, b.hooks}.close(left(ctx, math.MaxInt32*time.Millisecond))
	if err == nil {
		err = unsent
	}
	return err
}

// Closed says whether it is closed.
func (b *Bus) Closed() bool { return b.isClosed() }

// Caps are what this peer can do.
func (b *Bus) Caps() Caps {
	if !b.enter() {
		return 0
	}
	defer b.leave()
	return Caps(C.rill_caps(b.ptr))
}

// Stats of this bus: rill_bus_stats.
func (b *Bus) Stats() (Stats, error) {
	if !b.enter() {
		return Stats{}, closedError("bus")
	}
	defer b.leave()
	b.before() // they count, unless there is no room for them
	c := C.rill_stats{size: C.sizeof_rill_stats}
	_, err := locked(func() C.int { return C.rill_bus_stats(b.ptr, &c) })
	return fromC[Stats](&c), err
}

// Fd, WaitTime and Poll are for a loop of the program's own, of a bus with DriveHost. Watch the
// descriptor for reading, level-triggered, sleep no longer than WaitTime, which is negative for no
// bound, and then Poll.
func (b *Bus) Fd() (uintptr, error) {
	if !b.enter() {
		return 0, closedError("bus")
	}
	defer b.leave()
	fd, err := locked(func() C.int { return C.rill_fd(b.ptr) })
	return uintptr(fd), err
}

// WaitTime is how long a loop may sleep until it has to Poll: rill_wait_ms.
func (b *Bus) WaitTime() time.Duration {
	if !b.enter() {
		return 0
	}
	defer b.leave()
	ms := C.rill_wait_ms(b.ptr)
	if ms < 0 {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

// Poll waits for something to do, and does what is due: rill_poll. A ctx that is over already does
// not wait, and is no failure.
func (b *Bus) Poll(ctx context.Context) (int, error) {
	if !b.enter() {
		return 0, closedError("bus")
	}
	defer b.leave()
	for {
		wait := C.int(0)
		if ctx.Err() == nil {
			wait = millis(left(ctx, hostSlice))
		}
		n, err := locked(func() C.int { return C.rill_poll(b.ptr, wait) })
		if n != 0 || ctx.Err() != nil || b.isClosed() {
			return max(n, 0), err
		}
	}
}

// hostSlice is how long a wait that moves a bus of DriveHost goes on without a look at its context.
const hostSlice = 20 * time.Millisecond

// ---- Sending

var nothing [1]byte // C wants a place for no bytes, too

const quickSubject = 200 // bytes of a subject that need no memory of C's

// sendSlice is how long a publish waits for room without a look at whether the bus is being closed.
// Within C only rill_close() ends such a wait, and Close calls that when nobody is in C any more.
const sendSlice = 20 * time.Millisecond

// patiently sends again what has found no room, until Options.SendTimeout is up for one message, or
// the bus is being closed. send tells how many messages went.
func (b *Bus) patiently(send func() (int, error)) (int, error) {
	if b.patient == 0 {
		return send()
	}
	done, end := 0, time.Now().Add(b.patient)
	for {
		began := time.Now()
		n, err := send()
		done += n
		now := time.Now()
		switch {
		case !errors.Is(err, EAGAIN):
			return done, err
		case b.isClosed():
			return done, closedError("bus")
		case n > 0: // it is another message that waits
			end = now.Add(b.patient - sendSlice)
		case now.Sub(began) < sendSlice: // what is full is not what a publish waits for
			return done, err
		case b.patient > 0 && !now.Before(end):
			return done, err
		}
	}
}

// Publish sends and forgets: rill_publish. It does not wait, but for Options.SendTimeout, in steps of
// 20 ms if that is longer.
//
// To a server, messages without a post are gathered, up to 32 KiB of them, and cross to C together: as
// soon as another goroutine gets a turn, when there are so many, and before whatever else is asked of
// the bus, Flush and Close included. Nothing overtakes them. What goes wrong with a message that was
// gathered is the error of the next Publish, PublishMany, PublishAll, Flush or Drain; a publish sends
// nothing of its own then. EAGAIN, that there is no room, is that of the Publish whose message does not
// go.
func (b *Bus) Publish(subject string, data []byte, post *Post) error {
	if b.out != nil && post == nil && len(data) < outboxMessage {
		if done, err := b.gather(subject, data); done {
			return err
		}
	}
	if !b.enter() {
		return closedError("bus")
	}
	if err := b.beforeSending(); err != nil {
		b.leave()
		return err
	}
	if post == nil && len(subject) < quickSubject && !b.turns && strings.IndexByte(subject, 0) < 0 {
		var text [quickSubject]byte
		copy(text[:], subject)
		n := len(data)
		if n == 0 {
			data = nothing[:]
		}
		end := C.rillgo_publish_quick(b.ptr, (*C.char)(unsafe.Pointer(&text[0])),
			unsafe.Pointer(&data[0]), C.size_t(n))
		if end.rc >= 0 {
			if b.out != nil {
				b.out.learn(subject)
			}
			b.leave()
			return nil
		}
		if err := ended(end); b.patient == 0 || !errors.Is(err, EAGAIN) {
			b.leave()
			return err
		}
		data = data[:n]
	}
	defer b.leave()
	return b.publishPatiently(subject, data, post)
}

func (b *Bus) publishPatiently(subject string, data []byte, post *Post) error {
	_, err := b.patiently(func() (int, error) { return 0, b.publish(subject, data, post) })
	return err
}

func (b *Bus) publish(subject string, data []byte, post *Post) error {
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
	return ended(C.rillgo_publish(b.ptr, text, unsafe.Pointer(&data[0]), C.size_t(n), cpost))
}

// posted puts what goes with a message into C's memory.
func (a *arena) posted(subject string, post *Post) (*C.char, *C.rill_post, error) {
	text, err := a.text(subject)
	if err != nil || post == nil {
		return text, nil, err
	}
	cpost, err := toC[Post, C.rill_post](a, post)
	if err != nil {
		return nil, nil, err
	}
	if n := len(post.Headers); n > 0 {
		rows := unsafe.Slice((*C.rill_header)(a.alloc(uintptr(n)*C.sizeof_rill_header)), n)
		for i, h := range post.Headers {
			rows[i] = C.rill_header{name: a.str(h.Name), value: a.str(h.Value)}
		}
		cpost.headers = &rows[0]
		cpost.nheaders = C.size_t(n)
	}
	return text, cpost, nil
}

func (a *arena) str(s string) C.rill_str {
	p := a.alloc(uintptr(len(s)) + 1)
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return C.rill_str{ptr: (*C.char)(p), len: C.size_t(len(s))}
}

const packBytes = 256 << 10 // of messages that cross to C at a time

// What messages are packed into. It is used again and again.
type pack struct {
	blob []byte
	lens []uint32
}

var packs = sync.Pool{New: func() any { return &pack{} }}

// packed gives runs of messages that lie one behind the other to send, which tells how many of them
// went. It ends when that is not all, and returns how many went in all.
func packed(data [][]byte, send func(blob []byte, lens []uint32) (int, error)) (int, error) {
	p := packs.Get().(*pack)
	defer func() {
		if cap(p.blob) <= 2*packBytes { // one that a huge message has made is let go
			packs.Put(p)
		}
	}()
	p.blob, p.lens = p.blob[:0], p.lens[:0]
	done := 0
	for i, d := range data {
		if uint64(len(d)) > math.MaxUint32 {
			return done, fail(ETOOBIG, fmt.Sprintf("message %d has %d bytes", i, len(d)))
		}
		p.blob = append(p.blob, d...)
		p.lens = append(p.lens, uint32(len(d)))
		if len(p.blob) < packBytes && i+1 < len(data) {
			continue
		}
		if len(p.blob) == 0 {
			p.blob = append(p.blob, 0)
		}
		n, err := send(p.blob, p.lens)
		done += n
		if err != nil {
			return done, err
		}
		p.blob, p.lens = p.blob[:0], p.lens[:0]
	}
	return done, nil
}

// PublishAll publishes each of data, with one crossing to C for all of them. It returns how many
// went; that is not all if the next one failed.
func (b *Bus) PublishAll(subject string, data [][]byte, post *Post) (int, error) {
	if !b.enter() {
		return 0, closedError("bus")
	}
	defer b.leave()
	if err := b.beforeSending(); err != nil {
		return 0, err
	}
	var a arena
	defer a.free()
	text, cpost, err := a.posted(subject, post)
	if err != nil {
		return 0, err
	}
	return packed(data, func(blob []byte, lens []uint32) (int, error) {
		return b.patiently(func() (int, error) {
			var code C.int
			end := C.rillgo_publish_all(b.ptr, text, (*C.char)(unsafe.Pointer(unsafe.SliceData(blob))),
				(*C.uint32_t)(unsafe.Pointer(&lens[0])), C.size_t(len(lens)), cpost, &code)
			if end.why == nil {
				return int(end.rc), nil
			}
			for range end.rc { // what is left may be sent again
				blob, lens = blob[lens[0]:], lens[1:]
			}
			return int(end.rc), told(Code(code), end.why)
		})
	})
}

// PublishMany publishes each of data on one subject, in their order: rill_publish_many. To a server that
// costs less than as many calls. It returns how many went; the error is that of the first one that did
// not, and a call for the rest begins with it. It is PublishAll without a post.
func (b *Bus) PublishMany(subject string, data [][]byte) (int, error) {
	return b.PublishAll(subject, data, nil)
}

// Inbox is a subject of one's own, for many answers: subscribe to it, and give it as Post.Reply.
func (b *Bus) Inbox() (string, error) {
	if !b.enter() {
		return "", closedError("bus")
	}
	defer b.leave()
	var text [C.RILL_INBOX_LEN]byte
	n, err := locked(func() C.int {
		return C.rill_inbox(b.ptr, (*C.char)(unsafe.Pointer(&text[0])), C.RILL_INBOX_LEN)
	})
	return string(text[:max(n, 0)]), err
}
