// SPDX-License-Identifier: Apache-2.0
// kdiff: the same Kafka requests to two brokers, answers compared field by field.
//
//	kdiff run  LEFT RIGHT scenario...      scenarios are text: run() says what a line is
//	kdiff sweep LEFT RIGHT [KEY...]        every key and version that LEFT announces, in several shapes
//	kdiff walk LEFT RIGHT SEED...          scenarios by the dice over a group, one for each seed (walk.go)
//	kdiff text SEED                        what a walk is made of, to read
//	kdiff versions LEFT RIGHT              announced ranges side by side
//
// LEFT is the real Kafka, or @file of its answers as recorded with KDIFF_RECORD=file. Names that a broker invents (ids, hosts) are compared up to renaming.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var wait = 3 * time.Second

type side struct {
	addr  string
	conns map[string]net.Conn
	vars  map[string]string
	names map[string]map[string]string // class -> value -> token
	open  map[string][]kmsg.Request    // sent, not yet read
	corr  int32
}

func newSide(a string) *side {
	return &side{addr: a, conns: map[string]net.Conn{}, vars: map[string]string{}, names: map[string]map[string]string{}, open: map[string][]kmsg.Request{}}
}

func (s *side) conn(n string) (net.Conn, error) {
	if c := s.conns[n]; c != nil {
		return c, nil
	}
	c, err := net.DialTimeout("tcp", s.addr, wait)
	if err == nil {
		s.conns[n] = c
	}
	return c, err
}
func (s *side) drop(n string) {
	if c := s.conns[n]; c != nil {
		c.Close()
		delete(s.conns, n)
	}
	delete(s.open, n)
}

// fields whose values a broker chooses: the class they are renamed in
var classes = map[string]string{"TopicID": "topic", "MemberID": "member", "ProducerID": "pid", "SessionID": "session", "ClusterID": "cluster", "ClientInstanceID": "instance",
	"Host": "host", "Port": "port", "LogDir": "dir", "Dir": "dir", "SubscriptionID": "sub", "LeaderID": "member", "DirectoryID": "dir", "ReplicaDirectoryID": "dir"}

// fields that say nothing
var ignored = regexp.MustCompile(`(^|\.)(ThrottleMillis|LogAppendTime|TotalBytes|UsableBytes|Size|FinalizedFeaturesEpoch|LastFetchTimestamp|LastCaughtUpTimestamp|StartTimestamp|LastTimestamp|Version)$`)

func (s *side) rename(class, v string) string {
	if v == "" || v == "-1" || v == "<nil>" || v == "AAAAAAAAAAAAAAAAAAAAAA==" || v == "0" && class != "pid" {
		return v
	}
	m := s.names[class]
	if m == nil {
		m = map[string]string{}
		s.names[class] = m
	}
	if m[v] == "" {
		m[v] = fmt.Sprintf("<%s %d>", class, len(m)+1)
	}
	return m[v]
}

func (s *side) flatten(path string, v any, out map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		ks := make([]string, 0, len(x))
		for k := range x {
			ks = append(ks, k)
		}
		sort.Strings(ks) // names are given in this order, so it must be the same on both sides
		for _, k := range ks {
			e, p := x[k], k
			if path != "" {
				p = path + "." + k
			}
			s.flatten(p, e, out)
		}
	case []any:
		if len(x) == 16 { // a uuid
			b, ok := make([]byte, 16), true
			for i, e := range x {
				f, is := e.(float64)
				ok = ok && is
				b[i] = byte(f)
			}
			if ok {
				s.flatten(path, base64.StdEncoding.EncodeToString(b), out)
				return
			}
		}
		out[path+".#"] = strconv.Itoa(len(x))
		sort.SliceStable(x, func(i, j int) bool { // members come in any order
			a, _ := x[i].(map[string]any)
			b, _ := x[j].(map[string]any)
			if walking && a != nil && b != nil && a["MemberID"] != nil && b["MemberID"] != nil {
				return s.rename("member", fmt.Sprint(a["MemberID"])) < s.rename("member", fmt.Sprint(b["MemberID"]))
			}
			return a != nil && b != nil && a["InstanceID"] != nil && b["InstanceID"] == nil
		})
		for i, e := range x {
			key := strconv.Itoa(i)
			// lists whose order is free are keyed by what is in them
			if m, ok := e.(map[string]any); ok {
				for _, n := range []string{"ApiKey", "Name", "Topic", "Group", "GroupID", "NodeID", "Partition", "ResourceName", "TransactionalID"} {
					if q, has := m[n]; has && q != nil && fmt.Sprint(q) != "" {
						key = n + "=" + fmt.Sprint(q)
						break
					}
				}
			}
			s.flatten(path+"["+key+"]", e, out)
		}
	case nil:
		out[path] = "<nil>"
	case float64:
		s.leaf(path, strconv.FormatFloat(x, 'f', -1, 64), out)
	default:
		s.leaf(path, fmt.Sprint(x), out)
	}
}
func (s *side) leaf(path, v string, out map[string]string) {
	f := path[strings.LastIndex(path, ".")+1:]
	if i := strings.IndexByte(f, '['); i > 0 {
		f = f[:i]
	}
	if ignored.MatchString(path) {
		return
	}
	if strings.HasSuffix(path, "RecordBatches") || strings.HasSuffix(path, ".Records") {
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			s.batches(path, b, out)
			return
		}
	}
	if c := classes[f]; c != "" && !(f == "LeaderID" && len(v) < 12) {
		v = s.rename(c, v)
	}
	out[path] = v
}

func (s *side) batches(path string, b []byte, out map[string]string) {
	n := 0
	for len(b) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if size > len(b) || size < 61 {
			break
		}
		var rb kmsg.RecordBatch
		p := fmt.Sprintf("%s[batch %d]", path, n)
		if err := rb.ReadFrom(b[:size]); err != nil {
			out[p] = err.Error()
		} else {
			out[p+".crc"] = strconv.FormatBool(crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)) == uint32(rb.CRC))
			out[p+".first"] = fmt.Sprint(rb.FirstOffset)
			out[p+".epoch"] = fmt.Sprint(rb.PartitionLeaderEpoch)
			out[p+".attrs"] = fmt.Sprint(rb.Attributes)
			out[p+".last"] = fmt.Sprint(rb.LastOffsetDelta)
			out[p+".count"] = fmt.Sprint(rb.NumRecords)
			out[p+".producer"] = s.rename("pid", fmt.Sprint(rb.ProducerID)) + fmt.Sprintf("/%d/%d", rb.ProducerEpoch, rb.FirstSequence)
			if rb.Attributes&0x20 == 0 && rb.Attributes&8 == 0 {
				out[p+".records"] = hex.EncodeToString(rb.Records)
			}
		}
		b = b[size:]
		n++
	}
	out[path+".batches"] = strconv.Itoa(n)
	if len(b) > 0 {
		out[path+".rest"] = strconv.Itoa(len(b))
	}
}

// $batch(k=v k=v ...; pid epoch seq attrs)
func batch(spec string) []byte {
	body, tail, _ := strings.Cut(spec, ";")
	rb := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, FirstTimestamp: 1700000000000, MaxTimestamp: 1700000000000}
	t := strings.Fields(tail)
	num := func(i int) int64 { n, _ := strconv.ParseInt(t[i], 0, 64); return n }
	if len(t) > 2 {
		rb.ProducerID, rb.ProducerEpoch, rb.FirstSequence = num(0), int16(num(1)), int32(num(2))
	}
	if len(t) > 3 {
		rb.Attributes = int16(num(3))
	}
	for i, kv := range strings.Fields(body) {
		k, v, _ := strings.Cut(kv, "=")
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(v)}
		if k != "" {
			r.Key = []byte(k)
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		if l := len(r.AppendTo(nil)); l-1 >= 64 { // two bytes of length
			r.Length = int32(l - 2)
		}
		rb.Records = r.AppendTo(rb.Records)
		rb.NumRecords++
	}
	rb.LastOffsetDelta = rb.NumRecords - 1
	rb.Length = int32(49 + len(rb.Records))
	b := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

var varRe, batchRe = regexp.MustCompile(`\$\{(\w+)\}`), regexp.MustCompile(`\$batch\(([^)]*)\)`)

func (s *side) build(key, ver int16, text string) (kmsg.Request, error) {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return nil, fmt.Errorf("key %d is unknown to kmsg", key)
	}
	req.SetVersion(ver)
	if text != "" {
		text = varRe.ReplaceAllStringFunc(text, func(v string) string { return s.vars[v[2:len(v)-1]] })
		text = batchRe.ReplaceAllStringFunc(text, func(v string) string { return base64.StdEncoding.EncodeToString(batch(v[7 : len(v)-1])) })
		if err := json.Unmarshal([]byte(text), req); err != nil {
			return nil, err
		}
	}
	req.SetVersion(ver)
	return req, nil
}

var errClosed = errors.New("closed")

func (s *side) send(cn string, frame []byte) error {
	c, err := s.conn(cn)
	if err != nil {
		return err
	}
	c.SetWriteDeadline(time.Now().Add(wait))
	_, err = c.Write(frame)
	return err
}
func (s *side) frame(req kmsg.Request) []byte {
	s.corr++
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("kdiff")).AppendRequest(nil, req, s.corr)
}
func (s *side) recv(cn string, limit time.Duration) ([]byte, error) {
	c, err := s.conn(cn)
	if err != nil {
		return nil, err
	}
	c.SetReadDeadline(time.Now().Add(limit))
	var h [4]byte
	if _, err = io.ReadFull(c, h[:]); err == nil {
		n := binary.BigEndian.Uint32(h[:])
		if n > 64<<20 {
			return nil, fmt.Errorf("frame of %d", n)
		}
		b := make([]byte, n)
		if _, err = io.ReadFull(c, b); err == nil {
			return b, nil
		}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return nil, errors.New("no answer")
	}
	s.drop(cn)
	return nil, errClosed
}

// the answer as path -> value
func (s *side) answer(req kmsg.Request, b []byte, err error) (map[string]string, any) {
	out := map[string]string{}
	if err != nil {
		out["!"] = err.Error()
		return out, nil
	}
	if len(b) < 4 {
		out["!"] = "short frame"
		return out, nil
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	body := b[4:]
	if resp.IsFlexible() && req.Key() != 18 {
		if len(body) == 0 || body[0] != 0 {
			out["!header"] = "tags or short"
		} else {
			body = body[1:]
		}
	}
	if req.Key() == 18 && len(body) >= 2 && binary.BigEndian.Uint16(body) == 35 {
		resp.SetVersion(0)
	}
	if err := resp.ReadFrom(body); err != nil {
		out["!"] = "cannot be read: " + err.Error()
		return out, nil
	}
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		out["!canonical"] = fmt.Sprintf("%d bytes, %d when written again", len(body), len(again))
	}
	j, _ := json.Marshal(resp)
	var v any
	json.Unmarshal(j, &v)
	s.flatten("", v, out)
	return out, v
}

func get(v any, path string) string {
	for _, p := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			i, _ := strconv.Atoi(p)
			if i >= len(x) {
				return ""
			}
			v = x[i]
		}
	}
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if l, ok := v.([]any); ok {
		j, _ := json.Marshal(l)
		return string(j)
	}
	return fmt.Sprint(v)
}

var accepted []*regexp.Regexp
var steps, differ int
var walking bool // members are known by their own answers, before they are in a list

// recorded answers of LEFT: written to KDIFF_RECORD, or read from LEFT when it is @file
var golden map[string]map[string]string
var record *json.Encoder

type step struct {
	Title  string            `json:"step"`
	Answer map[string]string `json:"answer"`
}

func loadGolden(file string) {
	golden = map[string]map[string]string{}
	f, err := os.Open(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		var x step
		if d.Decode(&x) != nil {
			return
		}
		golden[x.Title] = x.Answer
	}
}

func compare(title string, l, r map[string]string) {
	steps++
	if golden != nil {
		l = golden[title]
		if l == nil {
			l = map[string]string{"!": "not recorded"}
		}
	}
	if record != nil {
		record.Encode(step{title, l})
	}
	keys := map[string]bool{}
	for k := range l {
		keys[k] = true
	}
	for k := range r {
		keys[k] = true
	}
	var list []string
	for k := range keys {
		if l[k] != r[k] {
			list = append(list, k)
		}
	}
	sort.Strings(list)
	shown := 0
	for _, k := range list {
		line := fmt.Sprintf("%s\t%s\t%q\t%q", title, k, l[k], r[k])
		ok := false
		for _, re := range accepted {
			ok = ok || re.MatchString(line)
		}
		if ok {
			continue
		}
		if shown == 0 {
			differ++
		}
		if shown++; shown <= 20 {
			fmt.Println(line)
		}
	}
	if shown > 20 {
		fmt.Printf("%s\t... %d more\n", title, shown-20)
	}
}

func keyOf(name string) int16 {
	for k := int16(0); k < 120; k++ {
		if strings.EqualFold(kmsg.NameForKey(k), name) {
			return k
		}
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "no api", name)
		os.Exit(2)
	}
	return int16(n)
}

// lines: [retry] CONN API VERSION JSON [>> var=path ...] | send CONN API VERSION JSON | recv CONN MS [>> ...] | raw CONN HEX | close CONN | sleep MS | accept REGEXP
func run(file string, sides [2]*side) {
	f, err := os.Open(file)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	play(file[strings.LastIndex(file, "/")+1:], f, sides)
}

func play(name string, text io.Reader, sides [2]*side) {
	sc := bufio.NewScanner(text)
	sc.Buffer(nil, 8<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		line, grabs, _ := strings.Cut(line, ">>")
		w := strings.Fields(line)
		var outs [2]map[string]string
		title := fmt.Sprintf("%s:%d", name, n)
		grab := func(s *side, v any) {
			for _, g := range strings.Fields(grabs) {
				name, path, _ := strings.Cut(g, "=")
				s.vars[name] = get(v, path)
			}
		}
		again := w[0] == "retry" // until neither side says loading, not available, not coordinator, concurrent
		if again {
			w = w[1:]
		}
		switch w[0] {
		case "sleep":
			ms, _ := strconv.Atoi(w[1])
			time.Sleep(time.Duration(ms) * time.Millisecond)
			continue
		case "accept":
			accepted = append(accepted, regexp.MustCompile(strings.TrimSpace(line[7:])))
			continue
		case "close":
			for _, s := range sides {
				if s != nil {
					s.drop(w[1])
				}
			}
			continue
		case "send":
			key, ver := keyOf(w[2]), atoi(w[3])
			for _, s := range sides {
				if s == nil {
					continue
				}
				req, err := s.build(key, ver, strings.Join(w[4:], " "))
				if err == nil {
					err = s.send(w[1], s.frame(req))
				}
				if err != nil {
					fmt.Println(title, err)
				}
				if req == nil {
					os.Exit(2) // what comes behind it would make no sense
				}
				s.open[w[1]] = append(s.open[w[1]], req)
			}
			continue
		case "recv":
			ms := 3000
			if len(w) > 2 {
				ms, _ = strconv.Atoi(w[2])
			}
			for i, s := range sides {
				if s == nil {
					continue
				}
				if len(s.open[w[1]]) == 0 {
					outs[i] = map[string]string{"!": "nothing sent"}
					continue
				}
				b, err := s.recv(w[1], time.Duration(ms)*time.Millisecond)
				req := s.open[w[1]][:1][0]
				if err == nil && len(s.open[w[1]]) > 0 {
					s.open[w[1]] = s.open[w[1]][1:]
				}
				if !strings.Contains(title, " recv ") {
					title += " recv " + kmsg.NameForKey(req.Key())
				}
				var v any
				outs[i], v = s.answer(req, b, err)
				grab(s, v)
			}
		case "raw":
			b, err := hex.DecodeString(strings.Join(w[2:], ""))
			if err != nil {
				panic(err)
			}
			for i, s := range sides {
				if s == nil {
					continue
				}
				s.send(w[1], b)
				a, err := s.recv(w[1], wait)
				outs[i] = map[string]string{"hex": hex.EncodeToString(a)}
				if err != nil {
					outs[i] = map[string]string{"!": err.Error()}
				}
			}
		default:
			key, ver := keyOf(w[1]), atoi(w[2])
			title += " " + kmsg.NameForKey(key) + " v" + w[2]
			for i, s := range sides {
				if s == nil {
					continue
				}
				req, err := s.build(key, ver, strings.Join(w[3:], " "))
				if err != nil {
					fmt.Println(title, err)
					os.Exit(2)
				}
				var v any
				for tries := 0; tries < 50; tries++ {
					var b []byte
					if err = s.send(w[0], s.frame(req)); err == nil {
						b, err = s.recv(w[0], wait)
					} else {
						err = errClosed
					}
					outs[i], v = s.answer(req, b, err)
					if err != nil {
						s.drop(w[0]) // what comes late would be taken for the next answer
					}
					if e := outs[i]["ErrorCode"]; !again || e != "14" && e != "15" && e != "16" && e != "51" {
						break
					}
					time.Sleep(200 * time.Millisecond)
				}
				grab(s, v)
			}
		}
		if os.Getenv("KDIFF_SHOW") != "" {
			var ks []string
			for k := range outs[0] {
				ks = append(ks, k)
			}
			sort.Strings(ks)
			for _, k := range ks {
				fmt.Printf("  %s %s = %s\n", title, k, outs[0][k])
			}
		}
		compare(title, outs[0], outs[1])
	}
}
func atoi(s string) int16 { n, _ := strconv.Atoi(s); return int16(n) }

func versions(s *side) map[int16][2]int16 {
	req, _ := s.build(18, 3, `{"ClientSoftwareName":"kdiff","ClientSoftwareVersion":"1"}`)
	s.send("v", s.frame(req))
	b, err := s.recv("v", wait)
	m := map[int16][2]int16{}
	if err != nil {
		fmt.Println(s.addr, err)
		return m
	}
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	resp.SetVersion(3)
	resp.ReadFrom(b[4:])
	for _, k := range resp.ApiKeys {
		m[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return m
}

// shapes: what is sent for each key and version
func sweep(sides [2]*side, only map[int16]bool) {
	rv := versions(sides[1])
	var lv map[int16][2]int16
	if sides[0] != nil {
		lv = versions(sides[0])
	} else {
		lv = map[int16][2]int16{}
		for k, v := range golden["versions"] {
			n, _ := strconv.Atoi(k)
			var a, b int16
			fmt.Sscanf(v, "%d-%d", &a, &b)
			lv[int16(n)] = [2]int16{a, b}
		}
	}
	if record != nil {
		m := map[string]string{}
		for k, v := range lv {
			m[strconv.Itoa(int(k))] = fmt.Sprintf("%d-%d", v[0], v[1])
		}
		record.Encode(step{"versions", m})
	}
	var keys []int
	for k := range lv {
		if _, there := rv[k]; there && (len(only) == 0 || only[k]) {
			keys = append(keys, int(k))
		}
	}
	sort.Ints(keys)
	skip := map[int16]bool{4: true, 5: true, 6: true, 7: true, 27: true, 52: true, 53: true, 54: true, 56: true, 57: true, 58: true, 59: true, 62: true, 63: true, 64: true, 67: true, 70: true, 73: true, 80: true, 81: true, 82: true}
	for _, k := range keys {
		key := int16(k)
		if skip[key] || kmsg.RequestForKey(key) == nil {
			continue
		}
		lo, hi := max(lv[key][0], rv[key][0]), min(lv[key][1], rv[key][1])
		top := kmsg.RequestForKey(key).MaxVersion()
		for v := lo - 1; v <= hi+1; v++ {
			if v < 0 || v > top+1 {
				continue
			}
			for _, shape := range []string{"default", "short", "long", "empty"} {
				if shape != "default" && v != lo && v != hi {
					continue
				}
				var outs [2]map[string]string
				for i, s := range sides {
					if s == nil {
						continue
					}
					req := kmsg.RequestForKey(key)
					req.SetVersion(v)
					if a, ok := req.(*kmsg.ApiVersionsRequest); ok {
						a.ClientSoftwareName, a.ClientSoftwareVersion = "kdiff", "1"
					}
					f := s.frame(req)
					switch shape {
					case "short":
						f = f[:len(f)-1]
					case "long":
						f = append(f, 0, 0, 0)
					case "empty": // header only
						f = f[:4+2+2+4+2+5]
					}
					binary.BigEndian.PutUint32(f, uint32(len(f)-4))
					err := s.send("s", f)
					var b []byte
					if err == nil {
						b, err = s.recv("s", 1500*time.Millisecond)
					}
					outs[i], _ = s.answer(req, b, err)
					s.drop("s")
				}
				compare(fmt.Sprintf("sweep %s v%d %s", kmsg.NameForKey(key), v, shape), outs[0], outs[1])
			}
		}
	}
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "text" {
		seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
		fmt.Print(walk(seed))
		return
	}
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "kdiff run|sweep|walk|versions LEFT RIGHT ...")
		os.Exit(2)
	}
	sides := [2]*side{newSide(os.Args[2]), newSide(os.Args[3])}
	if os.Args[2][0] == '@' {
		loadGolden(os.Args[2][1:])
		sides[0] = nil
	}
	if f := os.Getenv("KDIFF_RECORD"); f != "" {
		w, err := os.Create(f)
		if err != nil {
			panic(err)
		}
		defer w.Close()
		record = json.NewEncoder(w)
		record.SetEscapeHTML(false)
	}
	if f := os.Getenv("KDIFF_ACCEPT"); f != "" {
		b, _ := os.ReadFile(f)
		for _, l := range strings.Split(string(b), "\n") {
			if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
				accepted = append(accepted, regexp.MustCompile(l))
			}
		}
	}
	switch os.Args[1] {
	case "run":
		for _, f := range os.Args[4:] {
			run(f, sides)
		}
	case "walk":
		walking = true
		always := accepted
		for _, a := range os.Args[4:] {
			seed, err := strconv.ParseInt(a, 10, 64)
			if err != nil {
				panic(err)
			}
			accepted = always
			play(fmt.Sprintf("walk-%d", seed), strings.NewReader(walk(seed)), sides)
			for _, s := range sides { // what is parked is another walk's no more
				for _, c := range []string{"A", "B", "C", "Z"} {
					if s != nil {
						s.drop(c)
					}
				}
			}
		}
	case "sweep":
		only := map[int16]bool{}
		for _, a := range os.Args[4:] {
			only[keyOf(a)] = true
		}
		sweep(sides, only)
	case "versions":
		l, r := versions(sides[0]), versions(sides[1])
		for k := int16(0); k < 120; k++ {
			a, ok := l[k]
			b, also := r[k]
			if !ok && !also {
				continue
			}
			as, bs := "-", "-"
			if ok {
				as = fmt.Sprintf("%d-%d", a[0], a[1])
			}
			if also {
				bs = fmt.Sprintf("%d-%d", b[0], b[1])
			}
			mark := ""
			if as != bs {
				mark = "differs"
			}
			fmt.Printf("%d\t%s\t%s\t%s\t%s\n", k, kmsg.NameForKey(k), as, bs, mark)
		}
		return
	}
	fmt.Printf("%d passed, %d failed\n", steps-differ, differ)
	if differ > 0 {
		os.Exit(1)
	}
}
