package redis_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// TestCluster goes over a real cluster of three.
func TestCluster(t *testing.T) {
	t.Parallel() // it mostly waits
	nodes := serveCluster(t, durable...)
	t.Run("Conformance", func(t *testing.T) {
		conformance.TestSink(t, conformance.Sink{
			New: on(clusterURL(nodes)),
			Stop: func(tb testing.TB) {
				for _, n := range nodes {
					n.kill(tb)
				}
			},
			Start: func(tb testing.TB) {
				for _, n := range nodes {
					n.restart(tb)
				}
				waitCluster(tb, nodes)
			},
		})
	})
	t.Run("Slots", func(t *testing.T) { testSlots(t, nodes) })
	t.Run("OneNode", func(t *testing.T) { testOneNode(t, nodes) })
	t.Run("Channel", func(t *testing.T) { testClusterChannel(t, nodes) })
	t.Run("Moving", func(t *testing.T) { testMoving(t, nodes) })
}

// testSlots asks Redis itself where the keys of a match live.
func testSlots(t *testing.T, nodes []*server) {
	db := nodes[0].client(t)
	s := open(t, redis.Config{URL: clusterURL(nodes)})
	for _, match := range []string{"m", "", "{", "}", "{}", "{a}b", "a}b{c", "}}}", "%", "a\nb"} {
		k := s.Keys(match)
		want := db.ClusterKeySlot(t.Context(), redis.Escape(match)).Val()
		for _, key := range []string{k.Latest, k.Snapshots, k.Events, k.Events + ":late"} {
			if slot, err := db.ClusterKeySlot(t.Context(), key).Result(); err != nil || slot != want {
				t.Errorf("%q of match %q lives in slot %d, want %d, %v", key, match, slot, want, err)
			}
		}
	}
}

// testOneNode takes one node for all there is.
func testOneNode(t *testing.T, nodes []*server) {
	s := open(t, redis.Config{URL: nodes[0].url()})
	moved := 0
	for i := range 20 {
		if err := s.WriteSnapshot(t.Context(), snapshot(fmt.Sprint("one node ", i), 1, 1)); err != nil {
			says(t, err, core.ErrRefused, "MOVED", "?addr=host:port")
			moved++
		}
	}
	if moved == 0 {
		t.Error("20 matches all lived on one node")
	}
}

// testClusterChannel listens at a node where the match does not live.
func testClusterChannel(t *testing.T, nodes []*server) {
	s := open(t, redis.Config{URL: clusterURL(nodes)})
	key := s.Keys("heard").Latest
	var subs []*goredis.PubSub
	for _, n := range nodes {
		sub := n.client(t).Subscribe(t.Context(), key)
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	write(t, s, snapshot("heard", 1, 60))
	for _, sub := range subs {
		if msg, err := sub.ReceiveMessage(t.Context()); err != nil || msg.Payload != "1-60" {
			t.Errorf("%v, %v", msg, err)
		}
	}
}

// testMoving moves a match from one node to another, key by key, while it is written to.
func testMoving(t *testing.T, nodes []*server) {
	const match = "moved"
	s := open(t, redis.Config{URL: clusterURL(nodes)})
	slot := int(nodes[0].client(t).ClusterKeySlot(t.Context(), redis.Escape(match)).Val())
	i := slot * len(nodes) / 16384
	from, to := nodes[i], nodes[(i+1)%len(nodes)]
	source, target := from.client(t), to.client(t)
	do := func(db *goredis.Client, args ...any) {
		t.Helper()
		if err := db.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(args, err)
		}
	}
	id := func(db *goredis.Client) string {
		text, err := db.Do(t.Context(), "CLUSTER", "MYID").Text()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	n, stored, refused := uint64(0), uint64(0), 0
	try := func() {
		n++
		list := events(match, 1, stored+1, n)
		k, err := s.WriteEvents(t.Context(), list)
		stored += uint64(k)
		if err != nil {
			refused++
			if !errors.Is(err, core.ErrRefused) {
				t.Errorf("while the match was moved: %v", err)
			}
		}
		if err := s.WriteSnapshot(t.Context(), snapshot(match, 1, n)); err != nil && !errors.Is(err, core.ErrRefused) {
			t.Errorf("while the match was moved: %v", err)
		}
	}
	write(t, s, snapshot(match, 1, 900), snapshot(match, 1, 800))
	try()
	do(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(source))
	do(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(target))
	try()
	for {
		keys, err := source.ClusterGetKeysInSlot(t.Context(), slot, 1).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		do(source, "MIGRATE", "127.0.0.1", strconv.Itoa(to.port), keys[0], 0, 5000)
		try()
	}
	for _, node := range []*goredis.Client{target, source, nodes[(i+2)%len(nodes)].client(t)} {
		do(node, "CLUSTER", "SETSLOT", slot, "NODE", id(target))
	}
	n++
	put(t, s, events(match, 1, stored+1, n)...)
	for tick := range n {
		write(t, s, snapshot(match, 1, tick+1))
	}
	if refused == 0 {
		t.Error("nothing was refused, so nothing was moved")
	}
	same(t, "events", seqs(t, s, match), span(1, 1, n))
	same(t, "snapshots", ticks(t, s, match), append(span(1, 1, n), "1/800", "1/900"))
	if latest, err := s.Latest(t.Context(), match); err != nil || latest.Tick != 900 {
		t.Errorf("the latest is %d, %v", latest.Tick, err)
	}
}
