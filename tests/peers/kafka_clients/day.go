// SPDX-License-Identifier: Apache-2.0

// day franz|sarama BROKERS: a day's work of a client at rilld or at a Kafka, with counts and order
// checked; over TLS, if KAFKA_CA names a file. The day is the same for each; franz.go and sarama.go say
// it in the words of theirs.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	keys       = 50
	partitions = 6
	bound      = 30 * time.Second
)

// What the day asks of a client. Errors of the server are told apart by their codes.
type client interface {
	create(partitions int32, retention string) error
	grow(partitions int32) error
	partitions() int
	setRetention(ms string) error
	retention() string
	topics() []string
	deleteTopic() error
	truncate(partition int32, offset int64) error
	starts() map[int32]int64
	ends() map[int32]int64
	after(ms int64) map[int32]int64 // where records of that time or later begin; -1 or the end: none
	produce(records []record) error // all are stored when it returns
	join(group string, how string, s *seen) member
	groups() []string
	group(name string) (state string, members int)
	deleteGroup(name string) error
	committed(group string) map[int32]int64
	code(err error) int16 // 0: nil
	hows() []string       // the ways in which it balances a group
	close()
}

type member interface {
	seek(partition int32, offset int64)
	pause(partitions []int32)
	resume(partitions []int32)
	leave()
}

// Codes of Kafka's protocol.
const (
	topicExists       = 36
	unknownTopic      = 3
	invalidPartitions = 37
	nonEmptyGroup     = 68
)

type record struct{ key, value, number string }

var (
	topic string
	sent  int
)

func fail(what string, more ...any) {
	fmt.Println(append([]any{"FAILED:", what}, more...)...)
	os.Exit(1)
}

func check(what string, good bool, more ...any) {
	if !good {
		fail(what, more...)
	}
}

func ok(what string, err error) { check(what, err == nil, err) }

func same(what string, got, wanted any) {
	g, w := fmt.Sprint(got), fmt.Sprint(wanted)
	check(what, g == w, g, "not", w)
}

func until(what string, condition func() bool, about ...*seen) {
	for end := time.Now().Add(bound); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().Before(end) {
			continue
		}
		for _, s := range about {
			what += fmt.Sprintf("; %d seen, %d partitions", s.count(), s.assigned())
		}
		fail("waited in vain for " + what)
	}
}

// What a member has seen: offsets of a partition without a hole, numbers of a key that rise. A
// partition that is given to it anew may begin anywhere.
type seen struct {
	lock    sync.Mutex
	has     map[int32]bool
	next    map[int32]int64
	last    map[string]int
	numbers map[int]bool
}

func (s *seen) forget() {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.next, s.last, s.numbers = map[int32]int64{}, map[string]int{}, map[int]bool{}
}

func (s *seen) given(all []int32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, p := range all {
		s.has[p] = true
		delete(s.next, p)
	}
	s.last = map[string]int{}
}

func (s *seen) taken(all []int32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, p := range all {
		delete(s.has, p)
	}
}

func (s *seen) note(partition int32, offset int64, r record) {
	s.lock.Lock()
	defer s.lock.Unlock()
	key, text, _ := strings.Cut(r.value, " ")
	same("the key and the header", []string{r.key, r.number}, []string{key, text})
	wanted, known := s.next[partition]
	check(fmt.Sprintf("offset in partition %d", partition), !known || wanted == offset, offset, wanted)
	s.next[partition] = offset + 1
	var number int
	fmt.Sscan(text, &number)
	before, known := s.last[key]
	check("order of "+key, !known || before < number, number, before)
	s.last[key] = number
	s.numbers[number] = true
}

func (s *seen) count() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.numbers)
}

// How many have that number or a later one.
func (s *seen) since(first int) (n int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for number := range s.numbers {
		if number >= first {
			n++
		}
	}
	return n
}

func (s *seen) reached(partition int32, end int64) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.next[partition] == end
}

func (s *seen) assigned() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.has)
}

func newSeen() *seen {
	s := &seen{has: map[int32]bool{}}
	s.forget()
	return s
}

func all(of []*seen) int {
	numbers := map[int]bool{}
	for _, s := range of {
		s.lock.Lock()
		for n := range s.numbers {
			numbers[n] = true
		}
		s.lock.Unlock()
	}
	return len(numbers)
}

func produce(c client, n int) {
	records := make([]record, n)
	for i := range records {
		key, number := fmt.Sprintf("k%d", sent%keys), fmt.Sprint(sent)
		records[i] = record{key, key + " " + number, number}
		sent++
	}
	ok("produce", c.produce(records))
}

func sum(places map[int32]int64) (n int64) {
	for _, offset := range places {
		n += offset
	}
	return n
}

// A Kafka's broker hears a little later what its controller has done.
func topics(c client) {
	ok("a topic is made", c.create(3, "3600000"))
	same("it is there already", c.code(c.create(3, "3600000")), topicExists)
	ok("it grows", c.grow(partitions))
	same("fewer partitions", c.code(c.grow(2)), invalidPartitions)
	until("its partitions", func() bool { return c.partitions() == partitions })
	ok("it is changed", c.setRetention("7200000"))
	until("its setting", func() bool { return c.retention() == "7200000" })
	check("it is listed", strings.Contains(strings.Join(c.topics(), " "), topic))
}

// A member, then two beside it, one after the other; all but the last go again.
func comeAndGo(c client, how string) {
	group := topic + "." + how
	var members []member
	var saw []*seen
	even := func(of []*seen) func() bool {
		return func() bool {
			for _, s := range of {
				if s.assigned() != partitions/len(of) {
					return false
				}
			}
			return true
		}
	}
	for n := 1; n <= 3; n++ {
		saw = append(saw, newSeen())
		members = append(members, c.join(group, how, saw[n-1]))
		until(fmt.Sprintf("each of %d to have some", n), even(saw), saw...)
		produce(c, 3000)
		until(fmt.Sprintf("what %d read", n), func() bool { return all(saw) == sent }, saw...)
	}
	state, n := c.group(group)
	same("the group", []any{state, n}, []any{"Stable", 3})
	same("a group in use", c.code(c.deleteGroup(group)), nonEmptyGroup)
	for i := 0; i < 2; i++ {
		members[i].leave()
		until("those who stay to have all", even(saw[i+1:]), saw[i+1:]...)
		produce(c, 1000)
		until("what those read", func() bool { return all(saw) == sent }, saw...)
	}
	members[2].leave()
	same("what was committed", c.committed(group), c.ends())
	again := newSeen()
	m := c.join(group, how, again)
	until("its partitions", even([]*seen{again}), again)
	produce(c, 10)
	until("what is new", func() bool { return again.count() == 10 }, again)
	m.leave()
}

func places(c client) {
	s := newSeen()
	m := c.join(topic+".places", c.hows()[0], s)
	until("all of it", func() bool { return s.count() == sent }, s)
	ends := c.ends()
	same("the sum of the ends", sum(ends), sent)
	s.forget()
	m.seek(2, ends[2]-10)
	until("what was sought", func() bool { return s.count() == 10 }, s)
	others := []int32{0, 1, 2, 3, 4}
	m.pause(others)
	produce(c, 500) // ends the fetch that still asked for all
	before := c.ends()[5]
	until("a fetch behind the pause", func() bool { return s.reached(5, before) }, s)
	first := sent
	produce(c, 500)
	there := int(c.ends()[5] - before)
	check("some go to each partition", there > 0 && there < 500, there)
	until("what is not paused", func() bool { return s.since(first) == there }, s)
	m.resume(others)
	until("what was paused", func() bool { return s.since(first) == 500 }, s)
	m.leave()
}

func ends(c client) {
	late := c.after(time.Now().Add(time.Minute).UnixMilli())
	for p, end := range c.ends() {
		check("nothing is so late", late[p] == -1 || late[p] == end, late[p], end)
	}
	same("all are later", sum(c.after(1)), 0)
	ok("the front of it goes", c.truncate(1, 5))
	same("where it begins", c.starts()[1], 5)
	mine := func() (names []string) {
		for _, name := range c.groups() {
			if strings.HasPrefix(name, topic+".") {
				names = append(names, strings.TrimPrefix(name, topic+"."))
			}
		}
		sort.Strings(names)
		return names
	}
	wanted := append([]string{"places"}, c.hows()...)
	sort.Strings(wanted)
	same("the groups", mine(), wanted)
	for _, name := range wanted {
		ok("a group goes", c.deleteGroup(topic+"."+name))
	}
	same("no group is left", mine(), []string{})
	ok("it goes", c.deleteTopic())
	until("its end", func() bool { return !strings.Contains(strings.Join(c.topics(), " "), topic) })
	code := c.code(c.deleteTopic())
	same("a topic that is not there", code, unknownTopic)
}

// nil: without TLS.
func tlsConfig() *tls.Config {
	path := os.Getenv("KAFKA_CA")
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	ok("who signs", err)
	pool := x509.NewCertPool()
	check("who signs", pool.AppendCertsFromPEM(text), path)
	return &tls.Config{RootCAs: pool}
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "of an unknown version"
}

func main() {
	kinds := map[string]struct {
		module string
		open   func(brokers string) client
	}{"franz": {"github.com/twmb/franz-go", openFranz}, "sarama": {"github.com/IBM/sarama", openSarama}}
	kind := kinds[os.Args[1]]
	topic = os.Args[1] + ".day"
	c := kind.open(os.Args[2])
	topics(c)
	for _, how := range c.hows() {
		comeAndGo(c, how)
	}
	places(c)
	ends(c)
	c.close()
	fmt.Printf("%s %s: all steps, %d records\n", kind.module, version(kind.module), sent)
}
