// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	brokers string
	cl      *kgo.Client // idempotent, with acks of all, as it is by default
	adm     *kadm.Client
}

var ctx = context.Background()

func openFranz(brokers string) client {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DialTLSConfig(tlsConfig()),
		kgo.ProducerBatchMaxBytes(20000), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	ok("open", err)
	return &franz{brokers, cl, kadm.NewClient(cl)}
}

func (f *franz) close() { f.cl.Close() }

func (f *franz) code(err error) int16 {
	var e *kerr.Error
	if errors.As(err, &e) {
		return e.Code
	}
	ok("an error of the server", err)
	return 0
}

func (f *franz) create(n int32, retention string) error {
	_, err := f.adm.CreateTopic(ctx, n, 1, map[string]*string{"retention.ms": &retention}, topic)
	return err
}

func (f *franz) grow(n int32) error {
	all, err := f.adm.UpdatePartitions(ctx, int(n), topic)
	ok("grow", err)
	return all[topic].Err
}

func (f *franz) partitions() int {
	all, err := f.adm.ListTopics(ctx, topic)
	ok("describe", err)
	return len(all[topic].Partitions)
}

func (f *franz) setRetention(ms string) error {
	all, err := f.adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "retention.ms", Value: &ms}}, topic)
	ok("alter", err)
	_, err = all.On(topic, nil)
	return err
}

func (f *franz) retention() string {
	all, err := f.adm.DescribeTopicConfigs(ctx, topic)
	ok("describe configs", err)
	for _, c := range all[0].Configs {
		if c.Key == "retention.ms" {
			return c.MaybeValue()
		}
	}
	return ""
}

func (f *franz) topics() []string {
	all, err := f.adm.ListTopics(ctx)
	ok("list topics", err)
	return all.Names()
}

func (f *franz) deleteTopic() error {
	all, err := f.adm.DeleteTopics(ctx, topic)
	ok("delete topic", err)
	return all[topic].Err
}

func (f *franz) truncate(partition int32, offset int64) error {
	var places kadm.Offsets
	places.AddOffset(topic, partition, offset, -1)
	all, err := f.adm.DeleteRecords(ctx, places)
	ok("delete records", err)
	return all.Error()
}

func listed(all kadm.ListedOffsets, err error) map[int32]int64 {
	ok("list offsets", err)
	ok("list offsets", all.Error())
	places := map[int32]int64{}
	all.Each(func(o kadm.ListedOffset) { places[o.Partition] = o.Offset })
	return places
}

func (f *franz) starts() map[int32]int64 { return listed(f.adm.ListStartOffsets(ctx, topic)) }
func (f *franz) ends() map[int32]int64   { return listed(f.adm.ListEndOffsets(ctx, topic)) }
func (f *franz) after(ms int64) map[int32]int64 {
	return listed(f.adm.ListOffsetsAfterMilli(ctx, ms, topic))
}

func (f *franz) produce(records []record) error {
	all := make([]*kgo.Record, len(records))
	for i, r := range records {
		all[i] = &kgo.Record{Key: []byte(r.key), Value: []byte(r.value),
			Headers: []kgo.RecordHeader{{Key: "number", Value: []byte(r.number)}}}
	}
	return f.cl.ProduceSync(ctx, all...).FirstErr()
}

func (f *franz) hows() []string { return []string{"cooperative", "modern"} }

type franzMember struct {
	cl   *kgo.Client
	done sync.WaitGroup
}

func (f *franz) join(group, how string, s *seen) member {
	balance := []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}
	if how == "modern" { // of KIP-848
		balance = []kgo.Opt{kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer()}
	}
	gone := func(_ context.Context, _ *kgo.Client, all map[string][]int32) { s.taken(all[topic]) }
	opts := append(balance, kgo.SeedBrokers(f.brokers), kgo.DialTLSConfig(tlsConfig()),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(6*time.Second),
		kgo.RebalanceTimeout(10*time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, all map[string][]int32) {
			s.given(all[topic])
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, cl *kgo.Client, all map[string][]int32) {
			ok("commit", cl.CommitUncommittedOffsets(ctx))
			gone(ctx, cl, all)
		}),
		kgo.OnPartitionsLost(gone))
	cl, err := kgo.NewClient(opts...)
	ok("join", err)
	m := &franzMember{cl: cl}
	m.done.Add(1)
	go m.run(s)
	return m
}

func (m *franzMember) run(s *seen) {
	defer m.done.Done()
	for {
		fetches := m.cl.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, p int32, err error) { fail("fetch", p, err) })
		fetches.EachRecord(func(r *kgo.Record) {
			s.note(r.Partition, r.Offset, record{string(r.Key), string(r.Value),
				string(r.Headers[0].Value)})
		})
		m.cl.AllowRebalance()
	}
}

func (m *franzMember) seek(partition int32, offset int64) {
	m.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		topic: {partition: {Epoch: -1, Offset: offset}}})
}

func (m *franzMember) pause(all []int32) {
	m.cl.PauseFetchPartitions(map[string][]int32{topic: all})
}

func (m *franzMember) resume(all []int32) {
	m.cl.ResumeFetchPartitions(map[string][]int32{topic: all})
}

func (m *franzMember) leave() {
	m.cl.CloseAllowingRebalance()
	m.done.Wait()
}

func (f *franz) groups() []string {
	all, err := f.adm.ListGroups(ctx)
	ok("list groups", err)
	return all.Groups()
}

func (f *franz) group(name string) (string, int) {
	modern, err := f.adm.DescribeConsumerGroups(ctx, name)
	ok("describe group of KIP-848", err)
	if modern[name].Err == nil {
		return modern[name].State, len(modern[name].Members)
	}
	all, err := f.adm.DescribeGroups(ctx, name)
	ok("describe group", err)
	return all[name].State, len(all[name].Members)
}

func (f *franz) deleteGroup(name string) error {
	_, err := f.adm.DeleteGroup(ctx, name)
	return err
}

func (f *franz) committed(group string) map[int32]int64 {
	all, err := f.adm.FetchOffsets(ctx, group)
	ok("fetch offsets", err)
	places := map[int32]int64{}
	all.Each(func(o kadm.OffsetResponse) { places[o.Partition] = o.At })
	return places
}
