// SPDX-License-Identifier: Apache-2.0
// KafkaConsole ADDRESS: what web consoles (kafka-ui, AKHQ) ask a cluster for, by Kafka's own
// AdminClient, one line an answer. What differs from one cluster to the other as a matter of course
// (ids, addresses, paths, sizes, times) is left out, so that the lines of two can be compared.
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

public class KafkaConsole {
    static final String TOPIC = "console.topic", GROUP = "console.group";
    static final TopicPartition P0 = new TopicPartition(TOPIC, 0);
    static final TopicPartition P1 = new TopicPartition(TOPIC, 1);
    static final Set<String> TYPED = Set.of("broker.id", "node.id", "num.partitions",
        "fetch.max.bytes", "socket.request.max.bytes", "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.size", "group.consumer.session.timeout.ms", "group.max.size",
        "group.initial.rebalance.delay.ms", "group.max.session.timeout.ms", "delete.topic.enable",
        "group.min.session.timeout.ms", "offset.metadata.max.bytes", "offsets.retention.minutes",
        "offsets.retention.check.interval.ms", "message.max.bytes", "default.replication.factor",
        "log.message.timestamp.type", "process.roles",
        "group.consumer.migration.policy", "auto.create.topics.enable", "log.retention.hours");
    static Admin admin;

    interface Question { Object ask() throws Exception; }

    static void say(String what, Question question) {
        Object answer;
        try {
            answer = question.ask();
        } catch (ExecutionException e) {
            answer = e.getCause().getClass().getSimpleName();
        } catch (Exception e) {
            answer = e.getClass().getSimpleName();
        }
        System.out.println(what + ": " + answer);
    }

    static <T> T of(KafkaFuture<T> future) throws Exception {
        return future.get(20, TimeUnit.SECONDS);
    }

    static Object offset(OffsetSpec spec, TopicPartition of) throws Exception {
        var found = of(admin.listOffsets(Map.of(of, spec)).partitionResult(of));
        String time = found.timestamp() > 0 ? "a time" : "" + found.timestamp();
        return found.offset() + " " + time + " " + found.leaderEpoch().map(e -> e >= 0);
    }

    static String config(Config config, Set<String> names) {
        return config.entries().stream().filter(e -> names == null || names.contains(e.name()))
            .map(e -> e.name() + "=" + e.value() + " " + e.type() + " " + e.source()
                + (e.isReadOnly() ? " read only" : "") + (e.isSensitive() ? " sensitive" : ""))
            .sorted().collect(Collectors.joining("; "));
    }

    static Config configOf(ConfigResource.Type type, String name) throws Exception {
        var resource = new ConfigResource(type, name);
        return of(admin.describeConfigs(List.of(resource)).values().get(resource));
    }

    static void cluster() {
        say("cluster", () -> {
            var c = admin.describeCluster(new DescribeClusterOptions()
                .includeAuthorizedOperations(true));
            var nodes = of(c.nodes());
            var ops = of(c.authorizedOperations());
            return (of(c.clusterId()).length() > 0) + " " + nodes.size() + " node, controller "
                + (of(c.controller()).id() == nodes.iterator().next().id()) + ", "
                + new TreeSet<>(ops.stream().map(Enum::name).toList());
        });
        say("fenced nodes", () -> of(admin.describeCluster(new DescribeClusterOptions()
            .includeFencedBrokers(true)).nodes()).stream().map(n -> n.isFenced()).toList());
        say("quorum", () -> {
            var q = of(admin.describeMetadataQuorum().quorumInfo());
            return q.voters().size() + " voter, " + q.observers().size() + " observers";
        });
        say("features", () -> of(admin.describeFeatures().featureMetadata()) != null);
        // The names that consoles look for, whatever their values.
        say("broker's settings", () -> configOf(ConfigResource.Type.BROKER, node()).entries()
            .stream().map(ConfigEntry::name).filter(Set.of("delete.topic.enable", "log.dirs",
                "auto.create.topics.enable", "num.partitions", "advertised.listeners",
                "message.max.bytes", "default.replication.factor", "offsets.retention.minutes")
                ::contains).sorted().toList());
        say("broker's types", () -> configOf(ConfigResource.Type.BROKER, node()).entries().stream()
            .filter(e -> TYPED.contains(e.name())).map(e -> e.name() + " " + e.type()).sorted()
            .toList());
        say("settings of no broker", () -> configOf(ConfigResource.Type.BROKER, "77"));
        say("log dirs", () -> {
            var dirs = of(admin.describeLogDirs(List.of(Integer.parseInt(node())))
                .allDescriptions()).values().iterator().next().values();
            var dir = dirs.iterator().next();
            var replica = dir.replicaInfos().get(P0);
            return dirs.size() + " dir, " + dir.error() + ", " + (replica.size() > 0) + " "
                + replica.offsetLag() + " " + replica.isFuture();
        });
        say("rights", () -> of(admin.describeAcls(AclBindingFilter.ANY).values()));
        say("a right", () -> of(admin.createAcls(List.of(new AclBinding(
            new ResourcePattern(ResourceType.TOPIC, TOPIC, PatternType.LITERAL),
            new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW))))
            .all()));
        say("no rights", () -> of(admin.deleteAcls(List.of(AclBindingFilter.ANY)).all()));
        say("quotas", () -> of(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()));
        say("quotas of clients", () -> of(admin.describeClientQuotas(ClientQuotaFilter.contains(
            List.of(ClientQuotaFilterComponent.ofEntityType("client-id")))).entities()));
        say("scram", () -> of(admin.describeUserScramCredentials().all()));
        say("reassignments", () -> of(admin.listPartitionReassignments().reassignments()));
        say("groups' settings", () -> of(admin.listConfigResources(
            Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all()).size());
        say("metrics' settings", () -> of(admin.listConfigResources(
            Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all())
            .size());
    }

    static String node() throws Exception {
        return of(admin.describeCluster().nodes()).iterator().next().idString();
    }

    static void topics() {
        say("create", () -> of(admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1)
            .configs(Map.of("retention.ms", "3600000")))).numPartitions(TOPIC)));
        say("create again", () -> of(admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1)))
            .all()));
        say("create by default", () -> of(admin.createTopics(List.of(new NewTopic("console.other",
            Optional.empty(), Optional.empty()))).replicationFactor("console.other")));
        say("topics", () -> {
            Set<String> names = Set.of();
            for (int i = 0; i < 600 && names.size() < 2; i++, Thread.sleep(100))
                names = of(admin.listTopics(new ListTopicsOptions().listInternal(false)).names());
            return new TreeSet<>(names);
        });
        say("topic", () -> {
            var t = of(admin.describeTopics(List.of(TOPIC), new DescribeTopicsOptions()
                .includeAuthorizedOperations(true)).allTopicNames()).get(TOPIC);
            return t.name() + " " + t.isInternal() + " " + t.partitions().stream().map(p ->
                p.partition() + ":" + p.replicas().size() + p.isr().size() + p.elr()
                + p.lastKnownElr()).toList() + " " + new TreeSet<>(t.authorizedOperations()
                .stream().map(Enum::name).toList());
        });
        say("topic by its id", () -> {
            var id = of(admin.describeTopics(List.of(TOPIC)).allTopicNames()).get(TOPIC).topicId();
            return of(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds())
                .get(id).name();
        });
        say("no topic", () -> of(admin.describeTopics(List.of("console.none")).allTopicNames()));
        say("settings", () -> config(configOf(ConfigResource.Type.TOPIC, TOPIC), Set.of(
            "retention.ms", "cleanup.policy", "max.message.bytes", "compression.type",
            "message.timestamp.type", "segment.bytes", "retention.bytes")));
        say("settings of none", () -> configOf(ConfigResource.Type.TOPIC, "console.none"));
        say("set", () -> of(admin.incrementalAlterConfigs(Map.of(new ConfigResource(
            ConfigResource.Type.TOPIC, TOPIC), List.of(new AlterConfigOp(new ConfigEntry(
            "retention.ms", "7200000"), AlterConfigOp.OpType.SET)))).all()));
        say("set to what", () -> of(admin.incrementalAlterConfigs(Map.of(new ConfigResource(
            ConfigResource.Type.TOPIC, TOPIC), List.of(new AlterConfigOp(new ConfigEntry(
            "retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all()));
        say("is set", () -> config(configOf(ConfigResource.Type.TOPIC, TOPIC),
            Set.of("retention.ms")));
        say("more partitions", () -> of(admin.createPartitions(Map.of("console.other",
            NewPartitions.increaseTo(3))).all()));
        say("fewer partitions", () -> of(admin.createPartitions(Map.of("console.other",
            NewPartitions.increaseTo(1))).all()));
        say("more replicas", () -> of(admin.alterPartitionReassignments(Map.of(P0, Optional.of(
            new NewPartitionReassignment(List.of(1, 2))))).all()));
        say("elect", () -> of(admin.electLeaders(ElectionType.PREFERRED, Set.of(P0)).partitions())
            .get(P0).map(e -> e.getClass().getSimpleName()));
    }

    static void records(String at) {
        say("offsets of nothing", () -> List.of(offset(OffsetSpec.earliest(), P0),
            offset(OffsetSpec.latest(), P0), offset(OffsetSpec.maxTimestamp(), P0),
            offset(OffsetSpec.forTimestamp(1), P0)));
        say("produce", () -> {
            try (var producer = new KafkaProducer<>(Map.<String, Object>of("bootstrap.servers", at),
                new StringSerializer(), new StringSerializer())) {
                for (long time : new long[] {1000, 3000, 2000})
                    producer.send(new ProducerRecord<>(TOPIC, 0,
                        System.currentTimeMillis() - 10000 + time, "k" + time, "v")).get();
                return producer.send(new ProducerRecord<>(TOPIC, 1, "k", "v")).get().offset();
            }
        });
        say("offsets", () -> List.of(offset(OffsetSpec.earliest(), P0),
            offset(OffsetSpec.latest(), P0), offset(OffsetSpec.maxTimestamp(), P0),
            offset(OffsetSpec.forTimestamp(1), P0), offset(OffsetSpec.forTimestamp(1L << 60), P0),
            offset(OffsetSpec.earliestLocal(), P0)));
        say("tiered", () -> offset(OffsetSpec.latestTiered(), P0));
        say("offset of no partition", () -> offset(OffsetSpec.latest(),
            new TopicPartition(TOPIC, 9)));
    }

    static void groups(String at) {
        var settings = Map.<String, Object>of("bootstrap.servers", at, "group.id", GROUP,
            "auto.offset.reset", "earliest", "enable.auto.commit", "false", "client.id", "console");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(),
            new StringDeserializer())) {
            consumer.subscribe(List.of(TOPIC));
            say("consume", () -> {
                int n = 0;
                for (int i = 0; i < 100 && n < 4; i++)
                    n += consumer.poll(java.time.Duration.ofMillis(200)).count();
                consumer.commitSync();
                return n;
            });
            described("group");
            say("delete it amid", () -> of(admin.deleteConsumerGroups(List.of(GROUP)).all()));
            say("its offsets amid", () -> of(admin.deleteConsumerGroupOffsets(GROUP, Set.of(P0))
                .partitionResult(P0)));
        }
        described("group, empty");
        say("groups", () -> of(admin.listGroups().all()).stream().filter(g -> g.groupId()
            .startsWith("console")).map(g -> g.groupId() + " " + g.type() + " " + g.protocol() + " "
            + g.groupState()).toList());
        say("groups that are stable", () -> of(admin.listGroups(new ListGroupsOptions()
            .inGroupStates(Set.of(GroupState.STABLE))).all()).size());
        say("offsets of a group", () -> new TreeMap<>(of(admin.listConsumerGroupOffsets(GROUP)
            .partitionsToOffsetAndMetadata()).entrySet().stream().collect(Collectors.toMap(
            e -> e.getKey().toString(), e -> e.getValue().offset() + e.getValue().metadata()))));
        say("offsets of no group", () -> of(admin.listConsumerGroupOffsets("console.none")
            .partitionsToOffsetAndMetadata()));
        say("set an offset", () -> of(admin.alterConsumerGroupOffsets(GROUP, Map.of(P0,
            new OffsetAndMetadata(1, "by hand"))).all()));
        say("forget an offset", () -> of(admin.deleteConsumerGroupOffsets(GROUP, Set.of(P1))
            .partitionResult(P1)));
        say("offsets then", () -> new TreeMap<>(of(admin.listConsumerGroupOffsets(GROUP)
            .partitionsToOffsetAndMetadata()).entrySet().stream().collect(Collectors.toMap(
            e -> e.getKey().toString(), e -> e.getValue().offset() + e.getValue().metadata()))));
        say("no group", () -> of(admin.describeConsumerGroups(List.of("console.none")).all()));
        say("remove members of none", () -> of(admin.removeMembersFromConsumerGroup("console.none",
            new RemoveMembersFromConsumerGroupOptions()).all()));
        say("settings of a group", () -> configOf(ConfigResource.Type.GROUP, GROUP).entries()
            .stream().map(ConfigEntry::name).filter("consumer.session.timeout.ms"::equals)
            .toList());
        say("delete groups", () -> of(admin.deleteConsumerGroups(List.of(GROUP)).all()));
        say("delete no group", () -> of(admin.deleteConsumerGroups(List.of("console.none")).all()));
    }

    static void described(String what) {
        say(what, () -> {
            var g = of(admin.describeConsumerGroups(List.of(GROUP),
                new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all())
                .get(GROUP);
            return g.groupState() + " " + g.type() + " " + g.partitionAssignor() + " "
                + g.isSimpleConsumerGroup() + " " + g.members().stream().map(m -> m.clientId() + " "
                + m.host() + " " + m.groupInstanceId() + " "
                + new TreeSet<>(m.assignment().topicPartitions().stream().map(Object::toString)
                .toList())).toList() + " " + new TreeSet<>(g.authorizedOperations().stream()
                .map(Enum::name).toList()) + " " + g.coordinator().isEmpty();
        });
    }

    static void end() {
        say("delete records", () -> of(admin.deleteRecords(Map.of(P0,
            RecordsToDelete.beforeOffset(2)))
            .lowWatermarks().get(P0)).lowWatermark());
        say("delete more than there are", () -> of(admin.deleteRecords(Map.of(P0,
            RecordsToDelete.beforeOffset(99))).lowWatermarks().get(P0)).lowWatermark());
        say("offsets at last", () -> List.of(offset(OffsetSpec.earliest(), P0),
            offset(OffsetSpec.latest(), P0)));
        say("delete topics", () -> of(admin.deleteTopics(List.of(TOPIC, "console.other")).all()));
        say("delete no topic", () -> of(admin.deleteTopics(List.of("console.none")).all()));
    }

    public static void main(String[] args) {
        admin = Admin.create(Map.of("bootstrap.servers", args[0], "default.api.timeout.ms", "8000",
            "request.timeout.ms", "5000"));
        topics();
        records(args[0]);
        groups(args[0]);
        cluster();
        end();
        admin.close();
    }
}
