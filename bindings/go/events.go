// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"errors"
	"log"
	"runtime/cgo"
	"runtime/debug"
	"sync"
	"unsafe"
	"weak"
)

// EventKind says what an event is about.
type EventKind int32

const (
	EventUp     EventKind = C.RILL_EV_UP
	EventDown   EventKind = C.RILL_EV_DOWN
	EventError  EventKind = C.RILL_EV_ERROR
	EventSlow   EventKind = C.RILL_EV_SLOW
	EventClosed EventKind = C.RILL_EV_CLOSED
)

// Event is rill_event. A number that this package does not know is as it came.
type Event struct {
	Kind    EventKind
	Err     Code
	Count   uint64
	First   uint64
	Sub     *Sub `c:"-"` // nil if it concerns the bus, or a subscription that is closed
	Detail  string
	Server  string
	Subject string
	Lost    uint64 `c:"-"` // events before this one that were lost, since eventsMax waited already
}

const eventsMax = 1024 // that wait for OnEvent

// What callbacks of a bus find. It outlives the bus for as long as one of them may come.
type hooks struct {
	dial    func(string) (*Wire, error)
	onPanic func(any, []byte)

	mu     sync.Mutex
	events chan *Event // nil: nobody hears them, or not any more
	lost   uint64
	subs   map[*C.rill_sub]weak.Pointer[Sub]
}

func newHooks(opts *Options) *hooks {
	h := &hooks{dial: opts.Dial, onPanic: opts.OnPanic}
	if opts.OnEvent != nil {
		h.events = make(chan *Event, eventsMax)
		h.subs = map[*C.rill_sub]weak.Pointer[Sub]{}
		go func(events <-chan *Event) {
			for e := range events {
				h.guarded(func() { opts.OnEvent(e) })
			}
		}(h.events)
	}
	return h
}

// guarded runs what a program has given; false if it has panicked.
func (h *hooks) guarded(f func()) bool { return guarded(h.onPanic, f) }

func guarded(tell func(any, []byte), f func()) (whole bool) {
	defer func() {
		if whole {
			return
		}
		v := recover()
		if v == nil {
			return // runtime.Goexit
		}
		if tell != nil {
			tell(v, debug.Stack())
			return
		}
		log.Printf("rill: a function of this program has panicked: %v\n%s", v, debug.Stack())
	}()
	f()
	return true
}

// end lets the goroutine of events go on to the last one.
func (h *hooks) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events != nil {
		close(h.events)
		h.events = nil
	}
}

func (h *hooks) knows(s *Sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs != nil {
		h.subs[s.ptr] = weak.Make(s)
	}
}

func (h *hooks) forget(ptr *C.rill_sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, ptr)
}

//export rillgoEvent
func rillgoEvent(c *C.rill_event, arg C.uintptr_t) {
	h := cgo.Handle(arg).Value().(*hooks)
	e := fromC[Event](c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		return
	}
	if c.sub != nil {
		e.Sub = h.subs[c.sub].Value()
	}
	e.Lost = h.lost
	select {
	case h.events <- &e:
		h.lost = 0
	default:
		h.lost++
	}
}

//export rillgoDial
func rillgoDial(wire **C.rill_wire, address *C.char, arg C.uintptr_t) C.int {
	h := cgo.Handle(arg).Value().(*hooks)
	code := C.int(ECONN)
	h.guarded(func() {
		w, err := h.dial(C.GoString(address))
		if err == nil && w == nil {
			return
		}
		if err != nil {
			code = C.int(codeOf(err, ECONN))
			return
		}
		if ptr := w.give(); ptr != nil {
			*wire = ptr
			code = C.RILL_OK
		}
	})
	return code
}

// The code of an error that a program's function has returned.
func codeOf(err error, other Code) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	var c Code
	if errors.As(err, &c) && c < 0 {
		return c
	}
	return other
}

func goBytes(p unsafe.Pointer, n C.size_t) []byte { return unsafe.Slice((*byte)(p), int(n)) }
