package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// TestRefusedConfig holds what New refuses, and that no password is in what it says.
func TestRefusedConfig(t *testing.T) {
	heeds := func(o goredis.Options) *goredis.Client {
		o.ContextTimeoutEnabled = true
		return goredis.NewClient(&o)
	}
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	deaf := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	patient := heeds(goredis.Options{Addr: "127.0.0.1:1", ReadTimeout: -2})
	fine := heeds(goredis.Options{Addr: "127.0.0.1:1"})
	for _, c := range []interface{ Close() error }{ring, cluster, deaf, patient, fine} {
		t.Cleanup(func() { c.Close() })
	}
	for _, c := range []struct {
		name, says string
		config     redis.Config
	}{
		{"scheme", "invalid URL scheme", redis.Config{URL: "mongodb://h:1"}},
		{"no URL", "URL cannot be read", redis.Config{URL: "redis://h:port"}},
		{"database", "invalid database number", redis.Config{URL: "redis://h:1/one"}},
		{"parameter", "unexpected option: keep", redis.Config{URL: "redis://h:1?keep=1"}},
		{"parameter of a cluster", "unexpected option: keep", redis.Config{URL: "redis://h:1?keep=1&addr=h2:1"}},
		{"expire", "expire", redis.Config{URL: "redis://h:1?expire=soon"}},
		{"keep", "keep_events", redis.Config{URL: "redis://h:1?keep_events=all"}},
		{"negative", "below zero", redis.Config{URL: "redis://h:1?keep_events=-1"}},
		{"negative too", "below zero", redis.Config{KeepSnapshots: -1}},
		{"short", "milliseconds", redis.Config{Expire: time.Microsecond}},
		{"past", "milliseconds", redis.Config{URL: "redis://h:1?expire=-1s"}},
		{"brace", "brace", redis.Config{Prefix: "game{1}"}},
		{"brace in the URL", "brace", redis.Config{URL: "redis://h:1?prefix=%7B"}},
		{"slash in the password", "URL cannot be read", redis.Config{URL: "redis://user:12/secret@h:1/0"}},
		{"question mark", "URL cannot be read", redis.Config{URL: "redis://user:12?secret@h:1/0"}},
		{"number sign", "URL cannot be read", redis.Config{URL: "redis://user:12#secret@h:1/0"}},
		{"colon", "URL cannot be read", redis.Config{URL: "redis://user:secret/x@h:1/0"}},
		{"database behind a password", "invalid database number", redis.Config{URL: "redis://user:secret@h:1/x"}},
		{"both", "both a URL and a Client", redis.Config{URL: "redis://h:1", Client: fine}},
		{"ring", "*redis.Ring", redis.Config{Client: ring}},
		{"deaf", "ContextTimeoutEnabled", redis.Config{Client: deaf}},
		{"deaf cluster", "ContextTimeoutEnabled", redis.Config{Client: cluster}},
		{"no deadlines", "ReadTimeout -2", redis.Config{Client: patient}},
		{"client and prefix", "brace", redis.Config{Client: fine, Prefix: "}"}},
	} {
		s, err := redis.New(c.config)
		if err == nil {
			t.Errorf("%s was taken", c.name)
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "redis: ") || !strings.Contains(text, c.says) || strings.Contains(text, "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := fine.Ping(t.Context()).Err(); errors.Is(err, goredis.ErrClosed) {
		t.Error("the caller's client was closed")
	}
}

func TestOpen(t *testing.T) {
	m := miniredis.RunT(t)
	m.RequireUserAuth("bob", "p/w")
	s, err := redis.Open(t.Context(), "redis://bob:p%2Fw@"+m.Addr()+"/3?prefix=game&expire=2h&keep_snapshots=2&keep_events=3&pool_size=2&max_retries=9&read_timeout=-1")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, events("m", 1, 1, 5)...)
	write(t, s, snapshot("m", 1, 1), snapshot("m", 1, 2), snapshot("m", 1, 3))
	same(t, "snapshots", ticks(t, s, "m"), span(1, 2, 3))
	same(t, "events", seqs(t, s, "m"), span(1, 3, 5))
	if life := m.DB(3).TTL("game:{m}:latest"); life != 2*time.Hour {
		t.Errorf("the latest snapshot lives for %v", life)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, url := range []string{"redis://bob:wrong-secret@" + m.Addr(), "redis://" + m.Addr()} {
		_, err := redis.Open(t.Context(), url)
		if !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := redis.Open(t.Context(), "http://"+m.Addr()); err == nil {
		t.Error("http was opened")
	}
	addr := m.Addr()
	m.Close()
	if _, err := redis.Open(t.Context(), "redis://"+addr); !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), addr) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestCallersClient uses a client that retries, which Close leaves open.
func TestCallersClient(t *testing.T) {
	m := miniredis.RunT(t)
	db := goredis.NewClient(&goredis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true, MaxRetries: 5})
	defer db.Close()
	s, err := redis.New(redis.Config{Client: db})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, events("m", 1, 1, 3)...)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := db.XLen(t.Context(), "parley:{m}:events").Result(); n != 3 || err != nil {
		t.Errorf("%d events are there, %v", n, err)
	}
	if _, err := s.Matches(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Matches of a sink that is closed: %v", err)
	}
	s = open(t, redis.Config{Client: db})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteSnapshot(t.Context(), snapshot("m", 1, 1)); !errors.Is(err, core.ErrClosed) || !errors.Is(err, goredis.ErrClosed) {
		t.Errorf("a write with a client that is closed: %v", err)
	}
}

// TestEndedContext holds that nothing is asked with a context that has ended.
func TestEndedContext(t *testing.T) {
	m, s := openMini(t, redis.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := m.CommandCount()
	n, err := s.WriteEvents(ctx, events("m", 1, 1, 1))
	_, latest := s.Latest(ctx, "m")
	for _, err := range []error{err, latest, s.WriteSnapshot(ctx, snapshot("m", 1, 1))} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n != 0 || m.CommandCount() != before {
		t.Errorf("%d events written, %d commands sent", n, m.CommandCount()-before)
	}
}
