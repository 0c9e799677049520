// SPDX-License-Identifier: Apache-2.0
package main

import (
	"fmt"
	"math/rand"
	"strings"
)

// A walk is a scenario by the dice: members of one classic group come, go, rejoin, commit and beat,
// with right and with wrong generations, in each state of the group. The same seed is the same text.
// What is parked is read where nothing else is under way, so that no answer depends on who is faster.
type walker struct {
	*rand.Rand
	text    strings.Builder
	group   string
	in      []string // members that the group knows, by their connections
	lead    string   // who leads; "": who does is the broker's choice
	chosen  bool     // the broker has chosen once
	stable  bool     // all have their part
	begun   bool     // there was a generation
	statics bool     // C comes with a name of its own
}

// "AAEAAAABAAR3YWxr/////wAAAAA=" is a subscription to the topic "walk", no data, nothing owned.
const (
	subscription = `"Protocols":[{"Name":"range","Metadata":"AAEAAAABAAR3YWxr/////wAAAAA="}]`
	timeouts     = `"SessionTimeoutMillis":300000,"RebalanceTimeoutMillis":300000`
)

func (w *walker) say(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *walker) member(m string) string {
	if m == "C" && w.statics {
		return fmt.Sprintf(`"MemberID":"${m%s}","InstanceID":"c-%s"`, m, w.group)
	}
	return fmt.Sprintf(`"MemberID":"${m%s}"`, m)
}

func (w *walker) join(version int, member string) string {
	return fmt.Sprintf(`JoinGroup %d {"Group":"%s",%s,%s,"ProtocolType":"consumer",%s}`, version,
		w.group, timeouts, member, subscription)
}

// A newcomer comes first, and waits for all that are known: with the last of them it is done.
func (w *walker) rebalance(newcomer string) {
	version := 5 + w.Intn(5)
	if newcomer != "" {
		if w.lead == "" && !w.chosen {
			w.lead = newcomer
		}
		member := fmt.Sprintf(`"MemberID":"","InstanceID":"c-%s"`, w.group)
		if newcomer != "C" || !w.statics { // it is told its id, and comes again
			w.say("%s %s >> m%s=MemberID", newcomer, w.join(version, `"MemberID":""`), newcomer)
			member = w.member(newcomer)
		}
		w.say("send %s %s", newcomer, w.join(version, member))
		if w.stable = false; len(w.in) > 0 {
			w.say("sleep 150") // it is parked by then
			w.step(w.in[w.Intn(len(w.in))])
		}
	}
	for _, m := range w.in {
		w.say("send %s %s", m, w.join(version, w.member(m)))
	}
	if newcomer != "" {
		w.in = append(w.in, newcomer)
	}
	for _, m := range w.in {
		w.say("recv %s 8000 >> gen=Generation m%s=MemberID", m, m)
	}
	w.begun = true
	for n := w.Intn(3); n > 0; n-- {
		w.step(w.in[w.Intn(len(w.in))])
	}
	w.sync()
}

func (w *walker) sync() {
	var parts []string
	for _, m := range w.in {
		if w.Intn(5) > 0 { // who is left out gets nothing
			parts = append(parts, fmt.Sprintf(`{"MemberID":"${m%s}","MemberAssignment":"AAEAAAAA"}`, m))
		}
	}
	version := w.Intn(6)
	for _, m := range w.in {
		w.say(`send %s SyncGroup %d {"Group":"%s","Generation":${gen},%s,"ProtocolType":"consumer",`+
			`"Protocol":"range","GroupAssignment":[%s]}`, m, version, w.group, w.member(m),
			strings.Join(parts, ","))
	}
	for _, m := range w.in {
		w.say("recv %s 8000", m)
	}
	w.stable = true
}

// One request that is answered at once, whatever the state is.
func (w *walker) step(m string) {
	generation := []string{"${gen}", "${gen}", "${gen}", "77", "0"}[w.Intn(5)]
	member := w.member(m)
	if w.Intn(6) == 0 {
		member = `"MemberID":"nobody"`
	}
	switch w.Intn(4) {
	case 0:
		w.say(`Z Heartbeat %d {"Group":"%s","Generation":%s,%s}`, w.Intn(5), w.group, generation, member)
	case 1:
		if w.Intn(4) == 0 {
			generation, member = "-1", `"MemberID":""`
		}
		w.say(`Z OffsetCommit %d {"Group":"%s","Generation":%s,%s,"Topics":[{"Topic":"%s",`+
			`"Partitions":[{"Partition":%d,"Offset":%d,"LeaderEpoch":-1,"Metadata":"w"}]}]}`,
			7+w.Intn(2), w.group, generation, member, w.group, w.Intn(3), w.Intn(100))
	case 2:
		w.say(`Z OffsetFetch %d {"Group":"%s","Topics":[{"Topic":"%s","Partitions":[0,1,2]}]}`,
			2+w.Intn(6), w.group, w.group)
	case 3:
		w.say(`Z DeleteGroups 2 {"Groups":["%s"]}`, w.group)
	}
}

func (w *walker) leave(m string) {
	if w.Intn(2) == 0 && !(m == "C" && w.statics) {
		w.say(`Z LeaveGroup %d {"Group":"%s",%s}`, w.Intn(3), w.group, w.member(m))
	} else {
		w.say(`Z LeaveGroup %d {"Group":"%s","Members":[{%s},{"MemberID":"nobody"}]}`, 3+w.Intn(3),
			w.group, w.member(m))
	}
	for i := range w.in {
		if w.in[i] == m {
			w.in = append(w.in[:i:i], w.in[i+1:]...)
			break
		}
	}
	if m == w.lead && len(w.in) > 0 { // another one leads, whom a map of Kafka's names
		w.say(`accept ^walk-\S+ recv JoinGroup\t(LeaderID|SkipAssignment|Members)`)
		w.lead, w.chosen = "", true
	}
	w.stable = false
}

func walk(seed int64) string {
	w := &walker{Rand: rand.New(rand.NewSource(seed)), group: fmt.Sprintf("walk-%d", seed)}
	w.statics = w.Intn(2) == 0
	w.say(`retry Z CreateTopics 4 {"Topics":[{"Topic":"%s","NumPartitions":3,"ReplicationFactor":1}],`+
		`"TimeoutMillis":5000}`, w.group)
	w.say(`retry Z FindCoordinator 3 {"CoordinatorKey":"%s","CoordinatorType":0}`, w.group)
	w.say(`retry Z OffsetFetch 7 {"Group":"%s","Topics":null}`, w.group)
	for turn := 0; turn < 14; turn++ {
		var out []string
		for _, m := range []string{"A", "B", "C"} {
			if !strings.Contains(strings.Join(w.in, ""), m) {
				out = append(out, m)
			}
		}
		switch roll := w.Intn(6); {
		case roll < 2 && len(out) > 0:
			w.rebalance(out[w.Intn(len(out))])
		case roll == 2 && len(w.in) > 0:
			w.leave(w.in[w.Intn(len(w.in))])
		case roll == 3 && len(w.in) > 0 && !w.stable:
			w.rebalance("")
		case w.begun && len(w.in) > 0:
			w.step(w.in[w.Intn(len(w.in))])
		}
		if w.begun && w.Intn(3) == 0 {
			w.say(`Z DescribeGroups 5 {"Groups":["%s"]}`, w.group)
		}
	}
	for len(w.in) > 0 {
		w.leave(w.in[0])
	}
	w.say(`Z DeleteGroups 2 {"Groups":["%s"]}`, w.group)
	w.say(`Z OffsetFetch 7 {"Group":"%s","Topics":null}`, w.group)
	return w.text.String()
}
