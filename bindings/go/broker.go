// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"math"
	"runtime"
	"runtime/cgo"
	"sync"
	"time"
)

// Broker is one in this process: rill_broker.
type Broker struct {
	guard
	ptr     *C.rill_broker
	host    bool // DriveHost: it has no thread
	cleanup runtime.Cleanup

	mu      sync.Mutex
	handles []cgo.Handle // of OnLogin, the first and those of reloads
}

// OpenBroker opens a broker that nobody shares: rill_broker_open.
func OpenBroker(opts *BrokerOptions) (*Broker, error) {
	if err := tooOld(); err != nil {
		return nil, err
	}
	b := &Broker{host: opts != nil && opts.Drive == DriveHost}
	if err := b.configure(opts, func(c *C.rill_broker_opts, login C.uintptr_t) C.rillgo_end {
		return C.rillgo_broker_open(&b.ptr, c, login)
	}); err != nil {
		return nil, err
	}
	b.guard.open()
	b.cleanup = runtime.AddCleanup(b, func(p *C.rill_broker) { go C.rill_broker_close(p, 1000) },
		b.ptr)
	return b, nil
}

func (b *Broker) configure(opts *BrokerOptions,
	call func(*C.rill_broker_opts, C.uintptr_t) C.rillgo_end) error {
	if opts == nil {
		opts = &BrokerOptions{}
	}
	var a arena
	defer a.free()
	c, err := toC[BrokerOptions, C.rill_broker_opts](&a, opts)
	if err != nil {
		return err
	}
	var handle cgo.Handle
	if opts.OnLogin != nil {
		handle = cgo.NewHandle(opts.OnLogin)
	}
	err = ended(call(c, C.uintptr_t(handle)))
	if handle == 0 {
		return err
	}
	if err != nil {
		handle.Delete()
		return err
	}
	b.mu.Lock()
	b.handles = append(b.handles, handle) // a login that is under way may still name an older one
	b.mu.Unlock()
	return nil
}

// Close accepts no more, sends what is queued for up to five seconds, and closes the connections.
func (b *Broker) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return b.Shutdown(ctx)
}

// Shutdown is Close with another time: rill_broker_close.
func (b *Broker) Shutdown(ctx context.Context) error {
	if !b.shut() {
		return nil
	}
	b.cleanup.Stop()
	b.await()
	wait := millis(left(ctx, math.MaxInt32*time.Millisecond))
	_, err := locked(func() C.int { return C.rill_broker_close(b.ptr, wait) })
	for _, h := range b.handles {
		h.Delete()
	}
	return err
}

func (b *Broker) call(f func(a *arena) (C.int, error)) (int, error) {
	if !b.enter() {
		return 0, closedError("broker")
	}
	defer b.leave()
	var a arena
	defer a.free()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rc, err := f(&a)
	if err != nil {
		return 0, err
	}
	return int(rc), failed(int64(rc))
}

// Listen serves NATS on "nats://HOST:PORT" or "unix:PATH", or Kafka on "kafka://HOST:PORT", and
// returns the port: rill_broker_listen. Port 0 picks one.
func (b *Broker) Listen(url string, opts *ListenOptions) (int, error) {
	return b.call(func(a *arena) (C.int, error) {
		at, err := a.text(url)
		if err != nil {
			return 0, err
		}
		c, err := toC[ListenOptions, C.rill_listen_opts](a, opts)
		if err != nil {
			return 0, err
		}
		return C.rill_broker_listen(b.ptr, at, c), nil
	})
}

// Accept serves a connection that the program has made: rill_broker_accept.
func (b *Broker) Accept(url string, wire *Wire) error {
	_, err := b.call(func(a *arena) (C.int, error) {
		at, err := a.text(url)
		if err != nil {
			return 0, err
		}
		ptr := wire.give()
		if ptr == nil {
			return 0, closedError("wire")
		}
		return C.rill_broker_accept(b.ptr, at, ptr), nil
	})
	return err
}

// Bus is a bus to this broker that touches no socket: rill_broker_bus.
func (b *Broker) Bus(opts *Options) (*Bus, error) {
	if !b.enter() {
		return nil, closedError("broker")
	}
	defer b.leave()
	var a arena
	defer a.free()
	return newBus(&a, opts, func(bus *Bus, c *C.rill_opts, events, _ bool) C.rillgo_end {
		bus.broker, bus.turns = b, bus.turns || b.host
		return C.rillgo_broker_bus(b.ptr, &bus.ptr, c, C.bool(events), C.uintptr_t(bus.handle))
	})
}

// Reload makes credentials, limits and intervals be these: rill_broker_reload.
func (b *Broker) Reload(opts *BrokerOptions) error {
	if !b.enter() {
		return closedError("broker")
	}
	defer b.leave()
	return b.configure(opts, func(c *C.rill_broker_opts, login C.uintptr_t) C.rillgo_end {
		return C.rillgo_broker_reload(b.ptr, c, login)
	})
}

// LameDuck sends its clients elsewhere: rill_broker_lame_duck.
func (b *Broker) LameDuck(grace, duration time.Duration) error {
	_, err := b.call(func(*arena) (C.int, error) {
		return C.rill_broker_lame_duck(b.ptr, C.uint32_t(millis(grace)),
			C.uint32_t(millis(duration))), nil
	})
	return err
}

// Stats of this broker: rill_broker_stats.
func (b *Broker) Stats() (Stats, error) {
	c := C.rill_stats{size: C.sizeof_rill_stats}
	_, err := b.call(func(*arena) (C.int, error) { return C.rill_broker_stats(b.ptr, &c), nil })
	return fromC[Stats](&c), err
}

// About says who it is: rill_broker_about.
func (b *Broker) About() (BrokerInfo, error) {
	var info BrokerInfo
	_, err := b.call(func(a *arena) (C.int, error) {
		c := (*C.rill_broker_info)(a.alloc(C.sizeof_rill_broker_info))
		c.size = C.sizeof_rill_broker_info
		rc := C.rill_broker_about(b.ptr, c)
		if rc >= 0 {
			info = fromC[BrokerInfo](c)
		}
		return rc, nil
	})
	return info, err
}

//export rillgoConn
func rillgoConn(c *C.rill_conn_info, arg C.uintptr_t) C.int {
	list := cgo.Handle(arg).Value().(*[]ConnInfo)
	*list = append(*list, fromC[ConnInfo](c))
	return 0
}

// Conns are the connections with a higher id than after, in the order of their ids:
// rill_broker_conns.
func (b *Broker) Conns(after uint64) ([]ConnInfo, error) {
	if !b.enter() {
		return nil, closedError("broker")
	}
	defer b.leave()
	var list []ConnInfo
	handle := cgo.NewHandle(&list)
	defer handle.Delete()
	opts := C.rill_conns_opts{size: C.sizeof_rill_conns_opts, after: C.uint64_t(after)}
	err := ended(C.rillgo_broker_conns(b.ptr, &opts, C.uintptr_t(handle)))
	return list, err
}

//export rillgoConnSub
func rillgoConnSub(c *C.rill_conn_sub, arg C.uintptr_t) C.int {
	list := cgo.Handle(arg).Value().(*[]ConnSub)
	*list = append(*list, fromC[ConnSub](c))
	return 0
}

// Subs are subscriptions of connections, and how many there are in all: rill_broker_subs.
func (b *Broker) Subs(opts *ConnSubsOptions) ([]ConnSub, uint64, error) {
	if !b.enter() {
		return nil, 0, closedError("broker")
	}
	defer b.leave()
	var a arena
	defer a.free()
	c, err := toC[ConnSubsOptions, C.rill_conn_subs_opts](&a, opts)
	if err != nil {
		return nil, 0, err
	}
	var list []ConnSub
	handle := cgo.NewHandle(&list)
	defer handle.Delete()
	var total C.uint64_t
	err = ended(C.rillgo_broker_subs(b.ptr, c, C.uintptr_t(handle), &total))
	return list, uint64(total), err
}

// ---- Logins

type loginTexts struct {
	Peer, Client, User, Password, Token, Nkey, Certificate string
	Encrypted                                              bool
}

// Login is a client that wants to come in: rill_login. It has to be answered once; one that is
// forgotten is refused.
type Login struct {
	Peer, Client, User, Password, Token, Nkey, Certificate string
	Encrypted                                              bool

	mu      sync.Mutex
	ptr     *C.rill_login // nil when it was answered
	cleanup runtime.Cleanup
}

//export rillgoLogin
func rillgoLogin(c *C.rill_login, arg C.uintptr_t) {
	decide := cgo.Handle(arg).Value().(func(*Login))
	t := fromC[loginTexts](c)
	l := &Login{t.Peer, t.Client, t.User, t.Password, t.Token, t.Nkey, t.Certificate, t.Encrypted,
		sync.Mutex{}, c, runtime.Cleanup{}}
	l.cleanup = runtime.AddCleanup(l, func(c *C.rill_login) { C.rill_login_answer(c, nil, nil) }, c)
	go func() {
		if !guarded(nil, func() { decide(l) }) {
			l.Refuse("the program could not decide")
		}
	}()
}

func (l *Login) answer(as *User, why string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ptr == nil {
		return fail(EINVAL, "the login was answered before")
	}
	var a arena
	defer a.free()
	user, err := toC[User, C.rill_user](&a, as)
	if err != nil {
		return err
	}
	text, err := a.optional(why)
	if err != nil {
		return err
	}
	_, err = locked(func() C.int { return C.rill_login_answer(l.ptr, user, text) })
	if err == nil {
		l.ptr = nil
		l.cleanup.Stop()
	}
	return err
}

// Accept lets the client in, with the rights of that user: rill_login_answer.
func (l *Login) Accept(as User) error { return l.answer(&as, "") }

// Refuse does not; why stands in the broker's log.
func (l *Login) Refuse(why string) error { return l.answer(nil, why) }
