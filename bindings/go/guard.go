// SPDX-License-Identifier: Apache-2.0

package rill

import "sync/atomic"

// A guard stands before a handle of rill's, which is dead once its close has returned: it counts
// who is within a call of it, refuses whoever comes when it is closed, and lets the close go on when
// the last one has left. A guard that was never opened is closed.
type guard struct {
	state atomic.Int64
	quiet chan struct{} // closed by the last to leave a closed handle
}

const (
	guardOpen   = 1 << 62
	guardClosed = 1 << 61
	guardCount  = guardClosed - 1
)

func (g *guard) open() {
	g.quiet = make(chan struct{})
	g.state.Store(guardOpen)
}

func (g *guard) enter() bool {
	s := g.state.Add(1)
	if s&guardOpen != 0 && s&guardClosed == 0 {
		return true
	}
	g.leave()
	return false
}

func (g *guard) leave() {
	if s := g.state.Add(-1); s&guardOpen != 0 && s&guardClosed != 0 && s&guardCount == 0 {
		// Whoever comes too late leaves, too, so this may be met several times.
		if g.state.CompareAndSwap(s, s&^guardOpen) {
			close(g.quiet)
		}
	}
}

// closed says whether the close has begun, or there is nothing to close.
func (g *guard) isClosed() bool {
	s := g.state.Load()
	return s&guardOpen == 0 || s&guardClosed != 0
}

// shut refuses whoever comes from now on. False: somebody has done so before.
func (g *guard) shut() bool {
	for {
		s := g.state.Load()
		if s&guardOpen == 0 || s&guardClosed != 0 {
			return false
		}
		// The closer counts until await(), so that nobody else ends it.
		if g.state.CompareAndSwap(s, (s|guardClosed)+1) {
			return true
		}
	}
}

// await, of the one whose shut() was true, returns when nobody is within a call any more.
func (g *guard) await() {
	g.leave()
	<-g.quiet
}

func closedError(what string) error { return fail(ECLOSED, "the "+what+" is closed") }
