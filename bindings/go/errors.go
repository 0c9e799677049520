// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"unsafe"
)

// Code is an error of rill.h, by its number. It is an error itself, so that
// errors.Is(err, rill.ENOREPLY) asks for it.
type Code int32

const (
	ENOMEM    Code = C.RILL_ENOMEM
	EINVAL    Code = C.RILL_EINVAL
	EAGAIN    Code = C.RILL_EAGAIN
	ETIMEDOUT Code = C.RILL_ETIMEDOUT
	ECLOSED   Code = C.RILL_ECLOSED
	EBUSY     Code = C.RILL_EBUSY
	EDEADLK   Code = C.RILL_EDEADLK
	ENOTSUP   Code = C.RILL_ENOTSUP
	ENOENT    Code = C.RILL_ENOENT
	EEXIST    Code = C.RILL_EEXIST
	ECONFLICT Code = C.RILL_ECONFLICT
	ENOREPLY  Code = C.RILL_ENOREPLY
	ETOOBIG   Code = C.RILL_ETOOBIG
	EFULL     Code = C.RILL_EFULL
	EAUTH     Code = C.RILL_EAUTH
	ECONN     Code = C.RILL_ECONN
	EPROTO    Code = C.RILL_EPROTO
	EIO       Code = C.RILL_EIO
	ECORRUPT  Code = C.RILL_ECORRUPT
	EFENCED   Code = C.RILL_EFENCED
	EBUG      Code = C.RILL_EBUG
	EUNSURE   Code = C.RILL_EUNSURE
	ECANCELED Code = C.RILL_ECANCELED
)

// Name is "ENOREPLY", or "EUNKNOWN" for what is no code of rill.h.
func (c Code) Name() string { return C.GoString(C.rill_errname(C.int(c))) }

// Error says what the code means.
func (c Code) Error() string { return C.GoString(C.rill_strerror(C.int(c))) }

// Error is a call that failed: the code, and the library's sentence on this failure. errors.Is
// compares it with a Code, and with the errors of Go that mean the same: fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission, fs.ErrClosed, fs.ErrInvalid, os.ErrDeadlineExceeded,
// context.DeadlineExceeded, context.Canceled and errors.ErrUnsupported.
type Error struct {
	Code     Code
	Sentence string
	cause    error
}

func (e *Error) Error() string { return e.Sentence }

// Unwrap is what Go gave as the reason: the error of a context, of an io.Reader or io.Writer, or
// nil.
func (e *Error) Unwrap() error { return e.cause }

// Timeout tells net.Error's users that the time was up.
func (e *Error) Timeout() bool { return e.Code == ETIMEDOUT }

var alike = map[Code][]error{
	ETIMEDOUT: {os.ErrDeadlineExceeded, context.DeadlineExceeded},
	ECANCELED: {context.Canceled},
	ECLOSED:   {fs.ErrClosed},
	EINVAL:    {fs.ErrInvalid},
	ENOENT:    {fs.ErrNotExist},
	EEXIST:    {fs.ErrExist},
	EAUTH:     {fs.ErrPermission},
	ENOTSUP:   {errors.ErrUnsupported},
}

// Is makes errors.Is find the code, and the errors of Go that mean the same.
func (e *Error) Is(target error) bool {
	if code, ok := target.(Code); ok {
		return e.Code == code
	}
	for _, like := range alike[e.Code] {
		if target == like {
			return true
		}
	}
	return false
}

func fail(code Code, sentence string) error { return &Error{Code: code, Sentence: sentence} }

// What a context says when it ends a wait.
func gaveUp(ctx context.Context) error {
	code := ECANCELED
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code = ETIMEDOUT
	}
	return &Error{Code: code, Sentence: code.Error() + ": " + context.Cause(ctx).Error(),
		cause: context.Cause(ctx)}
}

// The end of a call through shim.h.
func ended(end C.rillgo_end) error {
	if end.rc >= 0 {
		return nil
	}
	return told(Code(end.rc), end.why)
}

func told(code Code, why *C.char) error {
	e := &Error{Code: code}
	if why != nil {
		e.Sentence = C.GoString(why)
		C.free(unsafe.Pointer(why))
	} else {
		e.Sentence = code.Error()
	}
	return e
}
