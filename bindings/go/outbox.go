// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
// #cgo noescape rillgo_publish_records
// #cgo nocallback rillgo_publish_records
import "C"

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// An outbox gathers what is published to a server, so that one crossing to C carries many messages.
// It is sent as soon as the scheduler runs another goroutine, when it is full, and before whatever
// else the bus is asked for, so that nothing overtakes it. What C has to say of a subject it says at
// the first message, which crosses alone.
type outbox struct {
	sending sync.Mutex // held while messages cross; taken before mu
	mu      sync.Mutex
	blob    []byte // records: two lengths, the subject and a 0, the data
	spare   []byte // the memory of those that have crossed
	running bool   // a goroutine is about to send them
	went    int    // bytes that have crossed since that one looked
	closed  bool
	err     error // of a message whose Publish had returned: the next call tells it
	last    string
	taken   map[string]struct{} // subjects that C has taken
}

const (
	outboxBytes   = 32 << 10
	outboxMessage = 4 << 10 // bytes of data from which a message crosses alone
	outboxTaken   = 1024
	outboxRun     = 2 << 10                // bytes that come before a goroutine can run: a run of many
	outboxLag     = 100 * time.Microsecond // in which more of such a run may come, at first
	outboxPause   = time.Millisecond       // at most; and until what found no room is tried again,
	outboxPatient = 64 * time.Millisecond  // the longer it has found none, up to this
	recordHead    = 8
)

// gathers says whether a bus has an outbox: that of a server, if the program does not move it.
func gathers(url string, opts *Options) bool {
	if opts != nil && opts.Drive != DriveThread {
		return false
	}
	for _, scheme := range []string{"nats://", "tls://", "ws://", "wss://", "unix:"} {
		if strings.HasPrefix(url, scheme) {
			return true
		}
	}
	return false
}

// gather gathers a message; false: it is one that crosses alone.
func (b *Bus) gather(subject string, data []byte) (bool, error) {
	o := b.out
	size := recordHead + len(subject) + 1 + len(data)
	for {
		o.mu.Lock()
		if o.closed || o.err != nil || !o.knows(subject) {
			o.mu.Unlock()
			return false, nil
		}
		if len(o.blob)+size <= outboxBytes {
			break
		}
		o.mu.Unlock()
		if !b.enter() {
			return true, closedError("bus")
		}
		_, err := b.patiently(func() (int, error) { return o.push(b) })
		b.leave()
		if err != nil {
			return true, err
		}
	}
	at := len(o.blob)
	if cap(o.blob) < at+size {
		o.blob = append(make([]byte, 0, 2*at+size), o.blob...)
	}
	o.blob = o.blob[:at+size]
	record := o.blob[at:]
	binary.NativeEndian.PutUint32(record, uint32(len(subject)+1))
	binary.NativeEndian.PutUint32(record[4:], uint32(len(data)))
	record = record[recordHead:]
	record = record[copy(record, subject):]
	record[0] = 0
	copy(record[1:], data)
	start := !o.running
	o.running = true
	o.mu.Unlock()
	if start {
		go b.sendGathered()
	}
	return true, nil
}

func (o *outbox) knows(subject string) bool {
	if subject == o.last && o.taken != nil {
		return true
	}
	if _, ok := o.taken[subject]; !ok {
		return false
	}
	o.last = subject
	return true
}

// learn remembers a subject that C has taken.
func (o *outbox) learn(subject string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.taken[subject]; ok {
		return
	}
	if o.taken == nil || len(o.taken) == outboxTaken {
		o.taken = make(map[string]struct{})
	}
	o.last = strings.Clone(subject)
	o.taken[o.last] = struct{}{}
}

// sendGathered runs while there is something to send. It keeps the bus from the collector. In a run of
// many messages it leaves them to whoever fills the outbox, the longer the run goes on: else each few
// of them would wake a thread. While there is no room it comes more and more rarely; what the program
// does next tries at once.
func (b *Bus) sendGathered() {
	lag, again := outboxLag, outboxPause
	for b.enter() {
		_, err := b.out.push(b)
		b.leave()
		went, waits := b.out.look()
		if went > 0 {
			again = outboxPause
		}
		switch {
		case err != nil && waits:
			time.Sleep(again)
			again = min(2*again, outboxPatient)
		case went > outboxRun:
			time.Sleep(lag)
			lag = min(2*lag, outboxPause)
		case waits:
			lag = outboxLag
		default:
			return
		}
	}
}

// look tells how many bytes have crossed since the last look, and whether some wait. If none do, and
// no run goes on, the goroutine that looks ends.
func (o *outbox) look() (went int, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	went, waits = o.went, len(o.blob) > 0
	o.went = 0
	o.running = waits || went > outboxRun
	return went, waits
}

// push has C take what was gathered, and tells how many bytes went. What finds no room stays, and is
// the error EAGAIN. The bus is entered.
func (o *outbox) push(b *Bus) (int, error) {
	o.sending.Lock()
	defer o.sending.Unlock()
	o.mu.Lock()
	blob := o.blob
	o.blob, o.spare = o.spare[:0], nil
	o.mu.Unlock()
	rest := blob
	for len(rest) > 0 {
		end := C.rillgo_publish_records(b.ptr, (*C.char)(unsafe.Pointer(&rest[0])),
			C.size_t(len(rest)))
		rest = rest[end.done:]
		if end.why == nil {
			continue
		}
		err := told(Code(end.err), end.why)
		if errors.Is(err, EAGAIN) {
			o.putBack(rest, len(blob)-len(rest))
			return len(blob) - len(rest), err
		}
		o.fails(err)
		rest = rest[recordSize(rest):]
	}
	o.mu.Lock()
	o.spare = blob[:0]
	o.went += len(blob)
	o.mu.Unlock()
	return len(blob), nil
}

func recordSize(at []byte) int {
	return recordHead + int(binary.NativeEndian.Uint32(at)) + int(binary.NativeEndian.Uint32(at[4:]))
}

// putBack sets what did not go before what has come since. Both are of one outbox's size at most.
func (o *outbox) putBack(rest []byte, went int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.went += went
	o.blob = append(append(make([]byte, 0, 2*outboxBytes), rest...), o.blob...)
}

func (o *outbox) fails(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.taken = nil // so that the next message crosses alone
}

// failure takes out what went wrong behind the back of a Publish.
func (o *outbox) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.err
	o.err = nil
	return err
}

// before sends what was gathered before something else that the bus is asked for. It is entered.
func (b *Bus) before() error {
	if b.out == nil {
		return nil
	}
	_, err := b.out.push(b)
	return err
}

// beforeSending is before(), and tells what went wrong with an earlier message.
func (b *Bus) beforeSending() error {
	if b.out == nil {
		return nil
	}
	if _, err := b.patiently(func() (int, error) { return b.out.push(b) }); err != nil {
		return err
	}
	return b.out.failure()
}

// first is before() for what has not entered the bus.
func (b *Bus) first() error {
	if b == nil || b.out == nil || !b.enter() {
		return nil
	}
	defer b.leave()
	return b.before()
}

// gathered waits until what was gathered has found room.
func (b *Bus) gathered(ctx context.Context) error {
	for again := outboxPause; ; again = min(2*again, outboxPatient) {
		if !b.enter() {
			return closedError("bus")
		}
		err := b.before()
		b.leave()
		if !errors.Is(err, EAGAIN) {
			return err
		}
		select {
		case <-ctx.Done():
			return gaveUp(ctx)
		case <-time.After(again):
		}
	}
}

// endGathering sends what was gathered, and has all that is published later cross alone. The error is
// that of what found no room before ctx ended.
func (b *Bus) endGathering(ctx context.Context) error {
	if b.out == nil {
		return nil
	}
	b.out.mu.Lock()
	b.out.closed = true
	b.out.mu.Unlock()
	return b.gathered(ctx)
}
