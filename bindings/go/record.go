// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// The structs of rill.h and those of this package have the same fields. One is made of the other
// here, by their names: AckWait, a time.Duration, is ack_wait_ms; From is from. A tag `c:"ca_pem"`
// names the field where the rule does not. One with a tag `since` may be missing in an older rill.h
// that this package is built with, and is refused then when it is set. Whatever else has no
// counterpart is found when the package is loaded (see records in options.go), so a field that
// rill.h does not have is no mistake that waits.

// An arena holds what a call is given, in C's memory, until the call is over.
type arena struct {
	chunks []unsafe.Pointer
	at     unsafe.Pointer
	left   uintptr
}

const arenaChunk = 1024

func (a *arena) alloc(size uintptr) unsafe.Pointer {
	size = (size + 7) &^ 7
	if size > a.left {
		room := max(size, arenaChunk)
		a.at = C.calloc(1, C.size_t(room))
		if a.at == nil {
			panic("rill: out of memory")
		}
		a.chunks = append(a.chunks, a.at)
		a.left = room
	}
	p := a.at
	if a.left -= size; a.left > 0 {
		a.at = unsafe.Add(p, size)
	}
	return p
}

func (a *arena) free() {
	for _, p := range a.chunks {
		C.free(p)
	}
	*a = arena{}
}

func (a *arena) text(s string) (*C.char, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, fail(EINVAL, fmt.Sprintf("the text %.40q has a 0 inside", s))
	}
	p := a.alloc(uintptr(len(s)) + 1)
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return (*C.char)(p), nil
}

// A text, or NULL for the empty one.
func (a *arena) optional(s string) (*C.char, error) {
	if s == "" {
		return nil, nil
	}
	return a.text(s)
}

func (a *arena) bytes(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	p := a.alloc(uintptr(len(b)))
	copy(unsafe.Slice((*byte)(p), len(b)), b)
	return p
}

// One field: where it is in both structs, and how it is carried over.
type field struct {
	name  string
	index int
	at    uintptr      // in C's struct
	ctype reflect.Type // of C's field
	count uintptr      // where C counts the elements of an array
	unit  int64        // of a duration: ns in one of C's
}

type plan struct {
	size   uintptr // of C's struct
	sized  bool    // it begins with its size
	fields []field
}

var plans sync.Map // of pairs of types

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

func snake(name string) string {
	var out []byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		upper := c >= 'A' && c <= 'Z'
		if upper && i > 0 {
			before := name[i-1] < 'A' || name[i-1] > 'Z'
			behind := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if before || behind {
				out = append(out, '_')
			}
		}
		if upper {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

var units = map[string]int64{"_ms": 1e6, "_us": 1e3, "_ns": 1}

// The names that a field of Go may have in C.
func names(f reflect.StructField) []string {
	if tag := f.Tag.Get("c"); tag != "" {
		return []string{tag}
	}
	name := snake(f.Name)
	return []string{name, name + "_ms", name + "_ns", name + "_us"}
}

func planOf(gotype, ctype reflect.Type) *plan {
	key := [2]reflect.Type{gotype, ctype}
	if p, ok := plans.Load(key); ok {
		return p.(*plan)
	}
	p := &plan{size: ctype.Size()}
	_, p.sized = ctype.FieldByName("size")
	for i := range gotype.NumField() {
		f := gotype.Field(i)
		if f.Tag.Get("c") == "-" || !f.IsExported() {
			continue
		}
		p.fields = append(p.fields, fieldOf(gotype, ctype, f, i))
	}
	plans.Store(key, p)
	return p
}

func fieldOf(gotype, ctype reflect.Type, f reflect.StructField, i int) field {
	for _, name := range names(f) {
		c, ok := ctype.FieldByName(name)
		if !ok {
			continue
		}
		made := field{name: name, index: i, at: c.Offset, ctype: c.Type, unit: 1}
		bare := name
		if len(name) > 3 && units[name[len(name)-3:]] != 0 {
			made.unit = units[name[len(name)-3:]]
			bare = name[:len(name)-3]
		}
		if f.Type.Kind() == reflect.Slice {
			n, ok := ctype.FieldByName("n" + name)
			if !ok {
				n, ok = ctype.FieldByName("n" + bare)
			}
			if !ok {
				panic("rill: nothing counts " + name)
			}
			made.count = n.Offset
		}
		return made
	}
	if f.Tag.Get("since") != "" {
		return field{name: snake(f.Name), index: i}
	}
	panic(fmt.Sprintf("rill: %v has no field for %v.%v", ctype, gotype, f.Name))
}

// toC makes C's struct of one of Go's; nil becomes NULL.
func toC[G, T any](a *arena, from *G) (*T, error) {
	if from == nil {
		return nil, nil
	}
	p, err := a.record(reflect.ValueOf(from).Elem(), reflect.TypeFor[T]())
	return (*T)(p), err
}

func (a *arena) record(from reflect.Value, ctype reflect.Type) (unsafe.Pointer, error) {
	p := planOf(from.Type(), ctype)
	to := a.alloc(p.size)
	if p.sized {
		*(*C.size_t)(to) = C.size_t(p.size)
	}
	for i := range p.fields {
		f := &p.fields[i]
		v := from.Field(f.index)
		if v.IsZero() {
			continue
		}
		if f.ctype == nil {
			return nil, fail(ENOTSUP, "the rill.h that this was built with has no "+f.name)
		}
		if err := a.put(f, v, to); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return to, nil
}

func (a *arena) put(f *field, v reflect.Value, to unsafe.Pointer) error {
	at := unsafe.Add(to, f.at)
	switch {
	case v.Type() == durationType:
		return putDuration(f, v.Int(), at)
	case v.Type() == timeType:
		*(*int64)(at) = v.Interface().(time.Time).UnixNano()
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		text, err := a.text(v.String())
		*(**C.char)(at) = text
		return err
	case reflect.Pointer:
		return a.pointer(f, v, at)
	case reflect.Slice:
		*(*C.size_t)(unsafe.Add(to, f.count)) = C.size_t(v.Len())
		return a.array(f, v, at)
	}
	reflect.NewAt(f.ctype, at).Elem().Set(v.Convert(f.ctype))
	return nil
}

func putDuration(f *field, ns int64, at unsafe.Pointer) error {
	n := ns / f.unit
	if ns > 0 && ns%f.unit != 0 {
		n++
	}
	c := reflect.NewAt(f.ctype, at).Elem()
	if c.CanUint() {
		if n < 0 || c.OverflowUint(uint64(n)) {
			return fail(EINVAL, fmt.Sprintf("%v is no time for it", time.Duration(ns)))
		}
		c.SetUint(uint64(n))
		return nil
	}
	if c.OverflowInt(n) {
		return fail(EINVAL, fmt.Sprintf("%v is no time for it", time.Duration(ns)))
	}
	c.SetInt(n)
	return nil
}

func (a *arena) pointer(f *field, v reflect.Value, at unsafe.Pointer) error {
	if v.Elem().Kind() == reflect.Struct {
		p, err := a.record(v.Elem(), f.ctype.Elem())
		*(*unsafe.Pointer)(at) = p
		return err
	}
	p := a.alloc(8)
	reflect.NewAt(f.ctype.Elem(), p).Elem().Set(v.Elem().Convert(f.ctype.Elem()))
	*(*unsafe.Pointer)(at) = p
	return nil
}

// Texts and structs lie behind pointers; headers and durations one behind the other.
func (a *arena) array(f *field, v reflect.Value, at unsafe.Pointer) error {
	elem := f.ctype.Elem()
	base := a.alloc(elem.Size() * uintptr(v.Len()))
	*(*unsafe.Pointer)(at) = base
	for i := range v.Len() {
		slot, item := unsafe.Add(base, elem.Size()*uintptr(i)), v.Index(i)
		var err error
		switch {
		case item.Kind() == reflect.String:
			*(**C.char)(slot), err = a.text(item.String())
		case item.Type() == durationType:
			err = putDuration(&field{ctype: elem, unit: f.unit}, item.Int(), slot)
		default:
			*(*unsafe.Pointer)(slot), err = a.record(item, elem.Elem())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fromC makes Go's struct of one that rill lends.
func fromC[G, T any](from *T) G {
	var made G
	read(reflect.ValueOf(&made).Elem(), unsafe.Pointer(from), reflect.TypeFor[T]())
	return made
}

func read(to reflect.Value, from unsafe.Pointer, ctype reflect.Type) {
	p := planOf(to.Type(), ctype)
	for i := range p.fields {
		f := &p.fields[i]
		if f.ctype == nil {
			continue
		}
		take(f, to.Field(f.index), unsafe.Add(from, f.at), from)
	}
}

func take(f *field, v reflect.Value, at, whole unsafe.Pointer) {
	c := reflect.NewAt(f.ctype, at).Elem()
	switch {
	case v.Type() == durationType:
		v.SetInt(duration(c, f.unit))
		return
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(instant(c.Int())))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(textOf(f, at))
	case reflect.Pointer:
		if p := *(*unsafe.Pointer)(at); p != nil {
			v.Set(reflect.New(v.Type().Elem()))
			read(v.Elem(), p, f.ctype.Elem())
		}
	case reflect.Slice:
		takeArray(f, v, *(*unsafe.Pointer)(at), int(*(*C.size_t)(unsafe.Add(whole, f.count))))
	case reflect.Array:
		reflect.Copy(v, reflect.NewAt(v.Type(), at).Elem())
	default:
		v.Set(c.Convert(v.Type()))
	}
}

func duration(c reflect.Value, unit int64) int64 {
	n := int64(0)
	if c.CanUint() {
		n = int64(min(c.Uint(), math.MaxInt64))
	} else {
		n = c.Int()
	}
	if n > math.MaxInt64/unit {
		return math.MaxInt64
	}
	return n * unit
}

// The time of a number of ns since 1970; 0 is none.
func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func textOf(f *field, at unsafe.Pointer) string {
	if f.ctype.Kind() == reflect.Array {
		b := unsafe.Slice((*byte)(at), f.ctype.Len())
		for i, c := range b {
			if c == 0 {
				return string(b[:i])
			}
		}
		return string(b)
	}
	return C.GoString(*(**C.char)(at))
}

func takeArray(f *field, v reflect.Value, base unsafe.Pointer, n int) {
	if n == 0 {
		return
	}
	elem := f.ctype.Elem()
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		slot, item := unsafe.Add(base, elem.Size()*uintptr(i)), v.Index(i)
		switch {
		case item.Kind() == reflect.String:
			item.SetString(C.GoString(*(**C.char)(slot)))
		case item.Type() == durationType:
			item.SetInt(duration(reflect.NewAt(elem, slot).Elem(), f.unit))
		default:
			read(item, *(*unsafe.Pointer)(slot), elem.Elem())
		}
	}
}
