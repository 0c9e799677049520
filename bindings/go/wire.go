// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"errors"
	"io"
	"runtime/cgo"
	"sync"
	"syscall"
	"unsafe"
)

// WireOps are the functions of a connection whose bytes rill does not move itself: rill_wire_ops.
// None of them waits: Read and Write return EAGAIN when there is nothing, or no room, at the moment,
// and Wire.Ready says that there is again. Read returns io.EOF when no more will come. Of rill they
// call nothing but Wire.Ready. One that also has Fd() uintptr is watched by that descriptor.
type WireOps interface {
	io.ReadWriteCloser
}

// Wire is such a connection, for Options.Dial and Broker.Accept: rill_wire.
type Wire struct {
	mu    sync.Mutex
	ptr   *C.rill_wire // nil when it was closed
	given bool         // to a bus or broker, which closes it
}

type wireEnd struct {
	ops  WireOps
	wire *Wire
}

// NewWire makes one: rill_wire_new.
func NewWire(ops WireOps) (*Wire, error) {
	w := &Wire{}
	handle := cgo.NewHandle(&wireEnd{ops, w})
	fd := C.int(-1)
	if _, ok := ops.(interface{ Fd() uintptr }); ok {
		fd = 0
	}
	if err := ended(C.rillgo_wire_new(&w.ptr, fd, C.uintptr_t(handle))); err != nil {
		handle.Delete()
		return nil, err
	}
	return w, nil
}

// Ready says that Read has something, or Write has room, again: rill_wire_ready. Once too often does
// no harm, nor does a wire that is closed.
func (w *Wire) Ready() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ptr != nil {
		C.rill_wire_ready(w.ptr)
	}
}

// Close closes one that was given to nobody; else EBUSY: rill_wire_close.
func (w *Wire) Close() error {
	w.mu.Lock()
	ptr := w.ptr
	if ptr != nil && w.given {
		w.mu.Unlock()
		return fail(EBUSY, "whoever has the wire closes it")
	}
	w.ptr = nil
	w.mu.Unlock()
	if ptr == nil {
		return nil
	}
	_, err := locked(func() C.int { return C.rill_wire_close(ptr) })
	return err
}

// give is the pointer for whom it is given to; a second time rill itself refuses it.
func (w *Wire) give() *C.rill_wire {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.given = w.ptr != nil
	return w.ptr
}

func (e *wireEnd) move(f func() (int, error)) (n int64) {
	n = int64(EIO)
	guarded(nil, func() {
		moved, err := f()
		switch {
		case err == nil || moved > 0:
			n = int64(moved)
		case errors.Is(err, io.EOF):
			n = 0
		case errors.Is(err, syscall.EAGAIN):
			n = int64(EAGAIN)
		default:
			n = int64(codeOf(err, EIO))
		}
	})
	return n
}

//export rillgoWireRead
func rillgoWireRead(arg C.uintptr_t, buf unsafe.Pointer, n C.size_t) C.int64_t {
	e := cgo.Handle(arg).Value().(*wireEnd)
	return C.int64_t(e.move(func() (int, error) {
		moved, err := e.ops.Read(goBytes(buf, n))
		if moved == 0 && err == nil {
			err = EAGAIN // io.Reader's "nothing happened"
		}
		return moved, err
	}))
}

//export rillgoWireWrite
func rillgoWireWrite(arg C.uintptr_t, buf unsafe.Pointer, n C.size_t) C.int64_t {
	e := cgo.Handle(arg).Value().(*wireEnd)
	return C.int64_t(e.move(func() (int, error) { return e.ops.Write(goBytes(buf, n)) }))
}

//export rillgoWireClose
func rillgoWireClose(arg C.uintptr_t) {
	handle := cgo.Handle(arg)
	e := handle.Value().(*wireEnd)
	handle.Delete()
	e.wire.mu.Lock()
	e.wire.ptr = nil
	e.wire.mu.Unlock()
	guarded(nil, func() { e.ops.Close() })
}

//export rillgoWireFd
func rillgoWireFd(arg C.uintptr_t) C.int {
	e := cgo.Handle(arg).Value().(*wireEnd)
	fd := C.int(-1)
	guarded(nil, func() { fd = C.int(e.ops.(interface{ Fd() uintptr }).Fd()) })
	return fd
}

// SocketWire makes a wire of a descriptor of a socket, a serial line or the like, and owns it from
// now on.
func SocketWire(fd uintptr) (*Wire, error) {
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return nil, &Error{Code: EINVAL, Sentence: "the descriptor of a wire: " + err.Error(), cause: err}
	}
	return NewWire(socket(fd))
}

type socket int

func (s socket) Fd() uintptr { return uintptr(s) }

func (s socket) Read(p []byte) (int, error) {
	n, err := syscall.Read(int(s), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (s socket) Write(p []byte) (int, error) {
	n, err := syscall.Write(int(s), p)
	return max(n, 0), err
}

func (s socket) Close() error { return syscall.Close(int(s)) }
