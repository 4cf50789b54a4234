package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"
	mini "github.com/alicebob/miniredis/v2/server"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// each runs f over a miniredis and over a real Redis, with a client beside the sink.
func each(t *testing.T, c redis.Config, f func(t *testing.T, s *redis.Sink, db *goredis.Client)) {
	t.Helper()
	run := func(t *testing.T, addr string) {
		db := goredis.NewClient(&goredis.Options{Addr: addr, ContextTimeoutEnabled: true})
		t.Cleanup(func() { db.Close() })
		c.URL = "redis://" + addr
		f(t, open(t, c), db)
	}
	t.Run("miniredis", func(t *testing.T) { run(t, miniredis.RunT(t).Addr()) })
	t.Run("server", func(t *testing.T) { run(t, serve(t).addr()) })
}

// TestParts writes a snapshot of several parts, and looks on while it is made.
func TestParts(t *testing.T) {
	each(t, redis.Config{}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		write(t, s, snapshot("m", 1, 1))
		x := large("m", 2, 3*redis.MaxPart+redis.MaxPart/2)
		looked, parts := 0, 0
		watched := x
		watched.Objects = func(yield func(core.ObjectState) bool) {
			for o := range x.Objects {
				if !yield(o) {
					return
				}
				if o.ID%500 != 0 {
					continue
				}
				looked++
				latest, err := s.Latest(t.Context(), "m")
				if err != nil || latest.Tick != 1 || len(ticks(t, s, "m")) != 1 {
					t.Errorf("at object %d the latest is %d, %v", o.ID, latest.Tick, err)
				}
				keys, err := db.Keys(t.Context(), "parley:{m}:part:*").Result()
				if err != nil || len(keys) > 1 {
					t.Errorf("parts under %q, %v", keys, err)
				}
				parts = max(parts, len(keys))
				for _, key := range keys {
					if life := db.TTL(t.Context(), key).Val(); life <= 0 || life > redis.PartLife {
						t.Errorf("parts live for %v", life)
					}
				}
			}
		}
		write(t, s, watched)
		if looked < 7 || parts != 1 {
			t.Errorf("looked %d times, and saw %d parts", looked, parts)
		}
		latest, err := s.Latest(t.Context(), "m")
		if err != nil || string(text(t, latest)) != string(text(t, x)) {
			t.Errorf("the latest is something else: tick %d, %v", latest.Tick, err)
		}
		if keys := db.Keys(t.Context(), "*part*").Val(); len(keys) > 0 {
			t.Errorf("%q are still there", keys)
		}
		write(t, s, x) // again
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 2))
	})
}

// TestCommandSize holds that no command is much longer than a part.
func TestCommandSize(t *testing.T) {
	m, s := openMini(t, redis.Config{})
	var longest atomic.Int64
	m.Server().SetPreHook(func(_ *mini.Peer, cmd string, args ...string) bool {
		if strings.HasPrefix(cmd, "EVAL") {
			longest.Store(max(longest.Load(), int64(len(strings.Join(args, " ")))))
		}
		return false
	})
	x := large("m", 1, 2*redis.MaxPart)
	objects := x.Objects
	x.Objects = func(yield func(core.ObjectState) bool) {
		_ = yield(core.ObjectState{Fields: []core.Field{{Name: "long", Value: strings.Repeat("x", 5*redis.MaxPart/2)}}})
		objects(yield)
	}
	write(t, s, x)
	list := events("m", 1, 1, 3*redis.MaxBatch)
	for i := range list {
		list[i].Data["text"] = strings.Repeat("x", redis.MaxPart/100+i)
	}
	list[100].Data["text"] = strings.Repeat("x", redis.MaxEvent-200)
	put(t, s, list...)
	if n := longest.Load(); n > redis.MaxPart+20_000 || n < redis.MaxPart {
		t.Errorf("a command has %d bytes", n)
	}
	same(t, "events", seqs(t, s, "m"), span(1, 1, 3*redis.MaxBatch))
}

// TestGivenUp holds that nothing appears of a snapshot that is refused after some parts
// were sent, or of which parts are lost on their way.
func TestGivenUp(t *testing.T) {
	each(t, redis.Config{}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		write(t, s, snapshot("m", 1, 1))
		x := large("m", 2, 3*redis.MaxPart)
		at := func(id uint64, do func(o *core.ObjectState)) core.Snapshot {
			y := x
			y.Objects = func(yield func(core.ObjectState) bool) {
				for o := range x.Objects {
					if o.ID == id {
						do(&o)
					}
					if !yield(o) {
						return
					}
				}
			}
			return y
		}
		dropped := 0
		drop := func(*core.ObjectState) {
			dropped++
			keys := db.Keys(t.Context(), "*:part:*").Val()
			if n, err := db.Del(t.Context(), keys...).Result(); n == 0 || err != nil {
				t.Error("there was nothing to drop", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := s.WriteSnapshot(t.Context(), at(2500, func(o *core.ObjectState) { o.Fields[0].Value = 1 }))
		if !errors.Is(err, core.ErrUnsupported) || !strings.Contains(err.Error(), "object 2500") {
			t.Errorf("a value that is no field value: %v", err)
		}
		if err := s.WriteSnapshot(ctx, at(2500, func(*core.ObjectState) { cancel() })); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		for _, id := range []uint64{1500, 3140} { // before another part, and before the rest
			if err := s.WriteSnapshot(t.Context(), at(id, drop)); err == nil || !strings.Contains(err.Error(), "write it again") {
				t.Errorf("a part was dropped at object %d: %v", id, err)
			}
		}
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 1))
		if latest, err := s.Latest(t.Context(), "m"); err != nil || latest.Tick != 1 || dropped != 2 {
			t.Errorf("the latest is %d, %v", latest.Tick, err)
		}
		write(t, s, x)
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 2))
	})
}

// TestTooLarge holds the bounds of an event and of a snapshot.
func TestTooLarge(t *testing.T) {
	m, s := openMini(t, redis.Config{})
	list := events("m", 1, 1, 3)
	list[1].Data["text"] = strings.Repeat("x", redis.MaxEvent)
	if n, err := s.WriteEvents(t.Context(), list); n != 1 || !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "event 2") {
		t.Errorf("an event that is too large: %d, %v", n, err)
	}
	parts := 0
	m.Server().SetPreHook(func(p *mini.Peer, cmd string, _ ...string) bool {
		if cmd == "EVALSHA" { // they are only counted, as a miniredis takes long for them
			parts++
			p.WriteOK()
		}
		return cmd == "EVALSHA"
	})
	x, long := snapshot("m", 1, 1), strings.Repeat("x", redis.MaxPart)
	x.Objects = func(yield func(core.ObjectState) bool) {
		for yield(core.ObjectState{Fields: []core.Field{{Name: "text", Value: long}}}) {
		}
	}
	if err := s.WriteSnapshot(t.Context(), x); !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("a snapshot that is too large: %v", err)
	}
	if most := redis.MaxSnapshot / redis.MaxPart; parts > most || parts < most-1 {
		t.Errorf("%d parts were sent", parts)
	}
	m.Server().SetPreHook(nil)
	same(t, "snapshots", ticks(t, s, "m"), nil)
	if n, err := s.WriteEvents(t.Context(), []core.Event{event("m", 1, 2), event("m", 1, 0)}); n != 1 || !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("an event without a number: %d, %v", n, err)
	}
}

// TestKeep holds what is left of a match when not all is kept.
func TestKeep(t *testing.T) {
	const events100, snapshots3, lump = 100, 3, 100
	each(t, redis.Config{KeepEvents: events100, KeepSnapshots: snapshots3}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		keys := s.Keys("m")
		for seq := uint64(1); seq < 2000; seq += 10 {
			put(t, s, events("m", 2, seq, seq+9)...)
		}
		n := uint64(db.XLen(t.Context(), keys.Events).Val())
		if n < events100 || n > events100+lump {
			t.Fatalf("%d events are kept", n)
		}
		same(t, "events", seqs(t, s, "m"), span(2, 2001-n, 2000))
		// Older ones do not come back, whoever writes them again or late.
		put(t, s, events("m", 2, 1, 50)...)
		put(t, s, events("m", 1, 1, 50)...)
		same(t, "events", seqs(t, s, "m"), span(2, 2001-n, 2000))

		// Those that come late and are not older: as many as there may be.
		put(t, s, event("m", 3, 1000))
		late := events("m", 3, 1, 999)
		for i := len(late); i > 600; i -= 57 {
			put(t, s, late[i-57:i]...)
		}
		if n := db.HLen(t.Context(), keys.Events+":late").Val(); n < events100 || n > events100*5/4+16 {
			t.Errorf("%d late events are kept", n)
		}
		got := seqs(t, s, "m")
		same(t, "the newest events", got[len(got)-events100-1:], span(3, 900, 1000))

		for tick := uint64(1); tick <= 50; tick++ {
			x := snapshot("m", 1, tick)
			if tick%2 == 0 {
				x = large("m", tick, 5000)
			}
			write(t, s, x)
		}
		list := ticks(t, s, "m")
		if len(list) < snapshots3 || len(list) > snapshots3+lump {
			t.Errorf("%d snapshots are kept: %q", len(list), list)
		}
		same(t, "snapshots", list, span(1, 51-uint64(len(list)), 50))
		for tick := uint64(51); tick <= 60; tick++ {
			write(t, s, large("m", tick, 5000))
		}
		same(t, "snapshots, which are long,", ticks(t, s, "m"), span(1, 58, 60))
		write(t, s, snapshot("m", 1, 5), snapshot("m", 1, 60))
		same(t, "snapshots, which are long,", ticks(t, s, "m"), span(1, 58, 60))
	})
}

// TestLate looks at what comes out of order, and at tick 0 of epoch 0, which no stream takes.
func TestLate(t *testing.T) {
	each(t, redis.Config{}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		keys := s.Keys("m")
		write(t, s, snapshot("m", 0, 0), snapshot("m", 0, 9), snapshot("m", 0, 5), snapshot("m", 0, 0), snapshot("m", 0, 5))
		put(t, s, events("m", 7, 3, 4)...)
		put(t, s, events("m", 7, 1, 4)...)
		for key, want := range map[string]string{keys.Snapshots: "0-0 0-5", keys.Events: "7-1 7-2"} {
			fields, err := db.HKeys(t.Context(), key+":late").Result()
			for _, id := range strings.Fields(want) {
				if len(fields) != 2 || !strings.Contains(fmt.Sprint(fields), id) {
					t.Errorf("late in %s: %q, %v; want %s", key, fields, err, want)
				}
			}
		}
		if snapshots, events := db.XLen(t.Context(), keys.Snapshots).Val(), db.XLen(t.Context(), keys.Events).Val(); snapshots != 1 || events != 2 {
			t.Errorf("%d snapshots and %d events in streams", snapshots, events)
		}
		same(t, "snapshots", ticks(t, s, "m"), []string{"0/0", "0/5", "0/9"})
		same(t, "events", seqs(t, s, "m"), span(7, 1, 4))
		if raw, err := db.HGet(t.Context(), keys.Events+":late", "7-1").Result(); err != nil || !strings.HasPrefix(raw, `{"epoch":7,"seq":1,"tick":2,`) {
			t.Errorf("%s, %v", raw, err)
		}
	})
}

// TestChannel holds what is announced, and in what order.
func TestChannel(t *testing.T) {
	each(t, redis.Config{}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		key := s.Keys("m").Latest
		sub := db.Subscribe(t.Context(), key)
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, x := range [][2]uint64{{1, 10}, {1, 20}, {1, 20}, {1, 15}, {2, 5}, {1, 30}, {2, 5}, {2, 4}, {2, 1 << 60}, {10, 1}, {9, 1}} {
			write(t, s, snapshot("m", x[0], x[1]))
		}
		put(t, s, event("m", 1, 1))
		write(t, s, snapshot("other", 9, 9))
		if err := db.Publish(t.Context(), key, "the end").Err(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) == 0 || got[len(got)-1] != "the end" {
			msg, err := sub.ReceiveMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, msg.Payload)
		}
		same(t, "announced", got, []string{"1-10", "1-20", "2-5", "2-1152921504606846976", "10-1", "the end"})
		if at, err := db.HMGet(t.Context(), key, "epoch", "tick").Result(); err != nil || fmt.Sprint(at) != "[10 1]" {
			t.Errorf("the latest is %v, %v", at, err)
		}
	})
}

// TestForeignEntries reads keys in which somebody else wrote.
func TestForeignEntries(t *testing.T) {
	for name, spoil := range map[string]func(m *miniredis.Miniredis) error{
		"no JSON": func(m *miniredis.Miniredis) error {
			m.HSet("parley:{m}:latest", "snapshot", "what?")
			_, err := m.XAdd("parley:{m}:events", "9-9", []string{"event", "what?"})
			_, err2 := m.XAdd("parley:{m}:snapshots", "9-9", []string{"snapshot", "what?"})
			return errors.Join(err, err2)
		},
		"no field": func(m *miniredis.Miniredis) error {
			m.HDel("parley:{m}:latest", "snapshot")
			m.HSet("parley:{m}:latest", "snapshot", "{}")
			_, err := m.XAdd("parley:{m}:events", "9-9", []string{"e", "{}"})
			_, err2 := m.XAdd("parley:{m}:snapshots", "9-9", []string{"s", "{}"})
			return errors.Join(err, err2)
		},
		"no id": func(m *miniredis.Miniredis) error {
			m.HSet("parley:{m}:latest", "snapshot", "")
			m.HSet("parley:{m}:events:late", "nine", "{}")
			m.HSet("parley:{m}:snapshots:late", "1-", "{}")
			return nil
		},
		"of another match": func(m *miniredis.Miniredis) error {
			other := string(text(t, snapshot("other", 9, 9)))
			m.HSet("parley:{m}:latest", "snapshot", other)
			m.HSet("parley:{m}:events:late", "9-8", other)
			_, err := m.XAdd("parley:{m}:snapshots", "9-9", []string{"snapshot", other})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, s := openMini(t, redis.Config{})
			write(t, s, snapshot("m", 1, 1))
			put(t, s, event("m", 1, 1))
			if err := spoil(m); err != nil {
				t.Fatal(err)
			}
			_, latest := s.Latest(t.Context(), "m")
			errs := map[string]error{"Latest": latest}
			for _, err := range s.Snapshots(t.Context(), "m", 0, last) {
				errs["Snapshots"] = err
			}
			for _, err := range s.Events(t.Context(), "m", 0, last) {
				errs["Events"] = err
			}
			for what, err := range errs {
				if !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), `match "m"`) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
