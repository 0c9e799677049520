// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// Msg is a message that has come. It is the program's own, for as long as it likes: its bytes are
// copied out of rill's. Messages that came together may share their memory, up to 32 KiB of it.
type Msg struct {
	Subject string
	Reply   string // where Respond goes; empty if no answer is wanted
	Data    []byte
	Headers []Header

	bus    *Bus
	timeNS int64
	stored *stored
}

// What a message has only if a stream or a bucket has stored it.
type stored struct {
	seq, pending          uint64
	stream, key           string
	deliveries, partition uint32
	flags                 uint32
	own                   *own
}

// A message of rill's that is to be acked: a reference, or, where rill acks by itself (AckAuto) and
// looks whether the program has done so, the one that is lent until the next is read.
type own struct {
	mu      sync.Mutex
	ptr     *C.rill_msg // nil when it was settled
	cleanup runtime.Cleanup
	sub     *Sub   // whose loan it is; nil: a reference
	turn    uint64 // of its loans
}

// Time is when it was stored, or when the broker took it.
func (m *Msg) Time() time.Time { return instant(m.timeNS) }

// Header is the first value of a name, and whether there is one.
func (m *Msg) Header(name string) (string, bool) {
	for i := range m.Headers {
		if m.Headers[i].Name == name {
			return m.Headers[i].Value, true
		}
	}
	return "", false
}

var unstored stored

func (m *Msg) more() *stored {
	if m.stored == nil {
		return &unstored
	}
	return m.stored
}

// Seq is its number in its stream, and of a key its revision; 0 if it was never stored.
func (m *Msg) Seq() uint64 { return m.more().seq }

// Pending is how many of this reader's were behind it when it left.
func (m *Msg) Pending() uint64 { return m.more().pending }

// Stream is the name of its stream, or empty.
func (m *Msg) Stream() string { return m.more().stream }

// Key is its key in a bucket, or that of a record of Kafka.
func (m *Msg) Key() string { return m.more().key }

// Deliveries counts from 1 for a stored message.
func (m *Msg) Deliveries() int { return int(m.more().deliveries) }

// Partition of its stream.
func (m *Msg) Partition() int { return int(m.more().partition) }

// Deleted says that the key is gone.
func (m *Msg) Deleted() bool { return m.more().flags&C.RILL_MSG_DELETED != 0 }

// CaughtUp says that this is the last of what was there when the watch began.
func (m *Msg) CaughtUp() bool { return m.more().flags&C.RILL_MSG_CAUGHT_UP != 0 }

// Respond answers, over the bus that has brought the message: rill_reply.
func (m *Msg) Respond(data []byte, post *Post) error {
	if m.Reply == "" {
		return fail(EINVAL, "the message wants no answer")
	}
	if m.bus == nil {
		return fail(EINVAL, "the message has not come by a bus")
	}
	return m.bus.Publish(m.Reply, data, post)
}

// Ack says that it is done: rill_ack.
func (m *Msg) Ack() error { return m.settle(C.RILLGO_ACK, 0) }

// Nak asks for it again after that time, or, 0, at once or as Backoff says: rill_nak.
func (m *Msg) Nak(delay time.Duration) error {
	return m.settle(C.RILLGO_NAK, C.uint32_t(millis(delay)))
}

// Term says that it shall never come again: rill_term.
func (m *Msg) Term() error { return m.settle(C.RILLGO_TERM, 0) }

// Working says that it is still worked at: rill_working.
func (m *Msg) Working() error { return m.settle(C.RILLGO_WORKING, 0) }

func (m *Msg) settle(how C.int, delay C.uint32_t) error {
	o := m.more().own
	if o == nil {
		return fail(EINVAL, "the message is not one to be acked")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ptr == nil {
		return fail(ENOENT, "the message was settled before")
	}
	if err := m.bus.first(); err != nil {
		return err
	}
	if o.sub != nil {
		return o.sub.settleLent(o, how, delay)
	}
	err := ended(C.rillgo_settle(o.ptr, how, delay, true))
	if err == nil && how != C.RILLGO_WORKING {
		o.ptr = nil
		o.cleanup.Stop()
	}
	return err
}

// settled says whether the program has settled it.
func (m *Msg) settled() bool {
	o := m.more().own
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ptr == nil
}

// keep holds the reference that the message is acked by.
func (s *stored) keep(ptr *C.rill_msg) {
	s.own = &own{ptr: ptr}
	s.own.cleanup = runtime.AddCleanup(s.own, func(p *C.rill_msg) { C.rill_msg_unref(p) }, ptr)
}

// ---- Copies

const (
	slabBytes = 32 << 10 // that messages share
	slabMsgs  = 64
	aloneFrom = 4 << 10 // bytes of data from which a message has memory of its own
)

func view(s C.rill_str) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s.ptr)), int(s.len)) }

// What the texts and small data of a message take.
func sizeOf(c *C.rill_msg) int {
	n := int(c.subject.len + c.reply.len + c.stream.len + c.key.len)
	if c.data.len < aloneFrom {
		n += int(c.data.len)
	}
	return n
}

// lay copies bytes to the end of slab, which has room.
func lay(slab *[]byte, from C.rill_str) []byte {
	if from.len == 0 {
		return nil
	}
	at := len(*slab)
	*slab = append(*slab, view(from)...)
	return (*slab)[at:len(*slab):len(*slab)]
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fill makes m a copy of what rill lends. The texts lie in slab, and nobody writes to them. `like` is
// the subject of the one before, which is often the same.
func (m *Msg) fill(c *C.rill_msg, b *Bus, slab *[]byte, like string) {
	m.bus, m.timeNS = b, int64(c.time_ns)
	if string(view(c.subject)) == like {
		m.Subject = like
	} else {
		m.Subject = text(lay(slab, c.subject))
	}
	m.Reply = text(lay(slab, c.reply))
	if c.data.len >= aloneFrom {
		m.Data = append([]byte(nil), view(c.data)...)
	} else {
		m.Data = lay(slab, c.data)
	}
	if c.nheaders > 0 {
		m.Headers = make([]Header, c.nheaders)
		for i := range m.Headers {
			h := C.rill_header_at(c, C.uint32_t(i))
			m.Headers[i] = Header{string(view(h.name)), string(view(h.value))}
		}
	}
	if c.seq == 0 && c.flags == 0 && c.key.len == 0 && c.stream.len == 0 && c.deliveries == 0 {
		return
	}
	m.stored = &stored{seq: uint64(c.seq), pending: uint64(c.pending),
		stream: text(lay(slab, c.stream)), key: text(lay(slab, c.key)),
		deliveries: uint32(c.deliveries), partition: uint32(c.partition), flags: uint32(c.flags)}
}

// copied makes a message of one that rill lends.
func (b *Bus) copied(c *C.rill_msg) *Msg {
	m := &Msg{}
	slab := make([]byte, 0, sizeOf(c))
	m.fill(c, b, &slab, "")
	return m
}

// copies makes messages of the first of what rill lends, as many as share memory.
func (b *Bus) copies(lent []*C.rill_msg) []Msg {
	n, bytes := 0, 0
	for n < len(lent) && n < slabMsgs {
		size := sizeOf(lent[n])
		if n > 0 && bytes+size > slabBytes {
			break
		}
		bytes += size
		n++
	}
	made, slab := make([]Msg, n), make([]byte, 0, bytes)
	like := ""
	for i := range made {
		made[i].fill(lent[i], b, &slab, like)
		like = made[i].Subject
	}
	return made
}
