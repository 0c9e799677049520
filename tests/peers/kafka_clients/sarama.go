// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaKit struct {
	brokers  []string
	cl       sarama.Client
	adm      sarama.ClusterAdmin
	producer sarama.SyncProducer
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	config.Metadata.RefreshFrequency = time.Second
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = sarama.CompressionGZIP
	config.Producer.Return.Successes = true
	config.Producer.Flush.MaxMessages = 500
	config.Net.MaxOpenRequests = 1
	config.Net.TLS.Config = tlsConfig()
	config.Net.TLS.Enable = config.Net.TLS.Config != nil
	return config
}

func openSarama(brokers string) client {
	k := &saramaKit{brokers: []string{brokers}}
	var err error
	k.cl, err = sarama.NewClient(k.brokers, saramaConfig())
	ok("open", err)
	k.adm, err = sarama.NewClusterAdminFromClient(k.cl)
	ok("open", err)
	k.producer, err = sarama.NewSyncProducerFromClient(k.cl)
	ok("open", err)
	return k
}

func (k *saramaKit) close() {
	ok("close", k.producer.Close())
	ok("close", k.adm.Close()) // and its client
}

func (k *saramaKit) code(err error) int16 {
	var of *sarama.TopicError
	var about *sarama.TopicPartitionError
	var code sarama.KError
	switch {
	case errors.As(err, &of):
		return int16(of.Err)
	case errors.As(err, &about):
		return int16(about.Err)
	case errors.As(err, &code):
		return int16(code)
	}
	ok("an error of the server", err)
	return 0
}

func (k *saramaKit) create(n int32, retention string) error {
	return k.adm.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: n, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &retention}}, false)
}

func (k *saramaKit) grow(n int32) error { return k.adm.CreatePartitions(topic, n, nil, false) }

func (k *saramaKit) partitions() int {
	all, err := k.adm.DescribeTopics([]string{topic})
	ok("describe", err)
	return len(all[0].Partitions)
}

func (k *saramaKit) setRetention(ms string) error {
	return k.adm.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &ms}}, false)
}

func (k *saramaKit) retention() string {
	all, err := k.adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic,
		ConfigNames: []string{"retention.ms"}})
	ok("describe configs", err)
	return all[0].Value
}

func (k *saramaKit) topics() (names []string) {
	all, err := k.adm.ListTopics()
	ok("list topics", err)
	for name := range all {
		names = append(names, name)
	}
	return names
}

func (k *saramaKit) deleteTopic() error { return k.adm.DeleteTopic(topic) }

func (k *saramaKit) truncate(partition int32, offset int64) error {
	return k.adm.DeleteRecords(topic, map[int32]int64{partition: offset})
}

func (k *saramaKit) after(ms int64) map[int32]int64 {
	places := map[int32]int64{}
	for p := int32(0); p < partitions; p++ {
		offset, err := k.cl.GetOffset(topic, p, ms)
		ok("list offsets", err)
		places[p] = offset
	}
	return places
}

func (k *saramaKit) starts() map[int32]int64 { return k.after(sarama.OffsetOldest) }
func (k *saramaKit) ends() map[int32]int64   { return k.after(sarama.OffsetNewest) }

func (k *saramaKit) produce(records []record) error {
	ok("refresh", k.cl.RefreshMetadata(topic)) // the topic may have grown
	all := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		all[i] = &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(r.key),
			Value:   sarama.StringEncoder(r.value),
			Headers: []sarama.RecordHeader{{Key: []byte("number"), Value: []byte(r.number)}}}
	}
	return k.producer.SendMessages(all)
}

func (k *saramaKit) hows() []string { return []string{"range", "sticky"} }

// A handler of sarama's, and the loop that calls Consume again and again: a call is one generation.
type saramaMember struct {
	group   sarama.ConsumerGroup
	s       *seen
	done    sync.WaitGroup
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	leaving bool
	stop    context.CancelFunc // of this generation
}

func (k *saramaKit) join(group, how string, s *seen) member {
	config := saramaConfig()
	balance := sarama.NewBalanceStrategyRange()
	if how == "sticky" {
		balance = sarama.NewBalanceStrategySticky()
	}
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{balance}
	of, err := sarama.NewConsumerGroup(k.brokers, group, config)
	ok("join", err)
	m := &saramaMember{group: of, s: s}
	m.done.Add(1)
	go m.run()
	return m
}

func (m *saramaMember) next() (context.Context, bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.leaving {
		return nil, false
	}
	generation, stop := context.WithCancel(ctx)
	m.stop = stop
	return generation, true
}

func (m *saramaMember) run() {
	defer m.done.Done()
	for generation, more := m.next(); more; generation, more = m.next() {
		err := m.group.Consume(generation, []string{topic}, m)
		check("consume", err == nil || errors.Is(err, context.Canceled), err)
	}
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	m.s.given(session.Claims()[topic])
	return nil
}

func (m *saramaMember) Cleanup(session sarama.ConsumerGroupSession) error {
	m.s.taken(session.Claims()[topic])
	return nil
}

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession,
	claim sarama.ConsumerGroupClaim) error {
	for r := range claim.Messages() {
		m.s.note(r.Partition, r.Offset, record{string(r.Key), string(r.Value),
			string(r.Headers[0].Value)})
		session.MarkMessage(r, "")
	}
	return nil
}

// The place is one of the group; the next generation begins there.
func (m *saramaMember) seek(partition int32, offset int64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session.ResetOffset(topic, partition, offset, "")
	m.stop()
}

func (m *saramaMember) pause(all []int32)  { m.group.Pause(map[string][]int32{topic: all}) }
func (m *saramaMember) resume(all []int32) { m.group.Resume(map[string][]int32{topic: all}) }

func (m *saramaMember) leave() {
	m.lock.Lock()
	m.leaving = true
	m.stop()
	m.lock.Unlock()
	m.done.Wait()
	ok("leave", m.group.Close())
}

func (k *saramaKit) groups() (names []string) {
	all, err := k.adm.ListConsumerGroups()
	ok("list groups", err)
	for name := range all {
		names = append(names, name)
	}
	return names
}

func (k *saramaKit) group(name string) (string, int) {
	all, err := k.adm.DescribeConsumerGroups([]string{name})
	ok("describe group", err)
	return all[0].State, len(all[0].Members)
}

func (k *saramaKit) deleteGroup(name string) error { return k.adm.DeleteConsumerGroup(name) }

func (k *saramaKit) committed(group string) map[int32]int64 {
	all, err := k.adm.ListConsumerGroupOffsets(group, nil)
	ok("fetch offsets", err)
	places := map[int32]int64{}
	for p, block := range all.Blocks[topic] {
		places[p] = block.Offset
	}
	return places
}
