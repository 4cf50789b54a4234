package redis_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// silent servers: one that cannot be reached, one that takes nothing, one that says nothing.
func silentServers() map[string]func(ctx context.Context, network, addr string) (net.Conn, error) {
	return map[string]func(ctx context.Context, network, addr string) (net.Conn, error){
		"unreachable": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		},
		"takes nothing": func(context.Context, string, string) (net.Conn, error) {
			client, _ := net.Pipe()
			return client, nil
		},
		"says nothing": func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				for b := make([]byte, 4096); ; {
					if _, err := server.Read(b); err != nil {
						return
					}
				}
			}()
			return client, nil
		},
	}
}

// TestSilence holds how long calls take when Redis says nothing: no longer than their
// context, however that ends, and never for ever.
func TestSilence(t *testing.T) {
	calls := map[string]func(ctx context.Context, s *redis.Sink) error{
		"WriteSnapshot": func(ctx context.Context, s *redis.Sink) error { return s.WriteSnapshot(ctx, snapshot("m", 1, 1)) },
		"large": func(ctx context.Context, s *redis.Sink) error {
			return s.WriteSnapshot(ctx, large("m", 1, 3*redis.MaxPart))
		},
		"WriteEvents": func(ctx context.Context, s *redis.Sink) error {
			n, err := s.WriteEvents(ctx, events("m", 1, 1, 3))
			if n != 0 {
				t.Errorf("%d events were stored", n)
			}
			return err
		},
		"Matches": func(ctx context.Context, s *redis.Sink) error { _, err := s.Matches(ctx); return err },
		"Latest":  func(ctx context.Context, s *redis.Sink) error { _, err := s.Latest(ctx, "m"); return err },
		"Snapshots": func(ctx context.Context, s *redis.Sink) (err error) {
			for _, err = range s.Snapshots(ctx, "m", 0, last) {
			}
			return err
		},
		"Events": func(ctx context.Context, s *redis.Sink) (err error) {
			for _, err = range s.Events(ctx, "m", 0, last) {
			}
			return err
		},
	}
	for name, dial := range silentServers() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for name, call := range calls {
					s := open(t, redis.Config{}.WithDial(dial))
					begin := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
					err := call(ctx, s)
					cancel()
					if took := time.Since(begin); !errors.Is(err, core.ErrTimeout) || took != 300*time.Millisecond {
						t.Errorf("%s with 300 ms took %v: %v", name, took, err)
					}

					begin = time.Now()
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(100*time.Millisecond, cancel)
					err = call(ctx, s)
					if took := time.Since(begin); !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrTimeout) || took != 100*time.Millisecond {
						t.Errorf("%s that was cancelled after 100 ms took %v: %v", name, took, err)
					}

					begin = time.Now()
					err = call(context.Background(), s)
					if took := time.Since(begin); !errors.Is(err, core.ErrTimeout) || took > 2*redis.Timeout {
						t.Errorf("%s without an end took %v: %v", name, took, err)
					}
				}
				// What was cancelled just now does not hold Close up.
				s := open(t, redis.Config{}.WithDial(dial))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Millisecond, cancel)
				if err := calls["WriteEvents"](ctx, s); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				begin := time.Now()
				if err := s.Close(context.Background()); err != nil || time.Since(begin) > time.Second {
					t.Errorf("Close took %v: %v", time.Since(begin), err)
				}
			})
		})
	}
}

// TestBroken breaks the connection at bytes of a write's request, and at each of its answer,
// when all is stored already. Whatever the write returns, all is there once after it was
// written again.
func TestBroken(t *testing.T) {
	bubble(t, redis.Config{}, func(t *testing.T, w *wire, _ *miniredis.Miniredis, s *redis.Sink) { broken(t, w, s) })
}

// TestBrokenServer does so with a real Redis.
func TestBrokenServer(t *testing.T) {
	r := serve(t)
	w := &wire{server: func() (net.Conn, error) { return net.Dial("tcp", r.addr()) }}
	broken(t, w, open(t, redis.Config{}.WithDial(w.dial)))
}

func broken(t *testing.T, w *wire, s *redis.Sink) {
	write(t, s, snapshot("m", 1, 0)) // Redis knows the scripts
	put(t, s, event("m", 1, 1))
	n := uint64(0)                     // rounds
	failed, stored := 0, 0             // snapshots
	round := func(f fault) (ok bool) { // tells whether both writes went through
		n++
		x, e := snapshot("m", 1, n), events("m", 1, 2*n, 2*n+1)
		w.set(&f)
		snapErr := s.WriteSnapshot(t.Context(), x)
		k, eventErr := s.WriteEvents(t.Context(), e)
		w.set(nil)
		there := false
		for x, err := range s.Snapshots(t.Context(), "m", n, n) {
			there = err == nil && x.Tick == n
		}
		found := 0
		for e, err := range s.Events(t.Context(), "m", 4*n, 4*n+2) {
			if err == nil && e.Seq/2 == n {
				found++
			}
		}
		if snapErr == nil && !there || eventErr == nil && (k != 2 || found != 2) || eventErr != nil && k != 0 {
			t.Fatalf("%+v: the snapshot is there: %v, with %v; of %d events acknowledged %d are there, with %v", f, there, snapErr, k, found, eventErr)
		}
		if snapErr != nil {
			failed++
			if there {
				stored++
			}
		}
		write(t, s, x)
		put(t, s, e...)
		if x, err := s.Latest(t.Context(), "m"); err != nil || x.Tick != n {
			t.Fatalf("%+v: the latest is %d, %v", f, x.Tick, err)
		}
		return snapErr == nil && eventErr == nil
	}
	for down := 0; !round(fault{up: -1, down: down}); down++ {
	}
	if stored < 8 {
		t.Errorf("%d snapshots were stored without an answer", stored)
	}
	for up := 0; !round(fault{up: up, down: -1}); up += 31 {
	}
	if failed < 30 {
		t.Errorf("%d snapshots failed of %d", failed, n)
	}
	same(t, "snapshots", ticks(t, s, "m"), span(1, 0, n))
	same(t, "events", seqs(t, s, "m"), span(1, 1, 2*n+1))
}

// TestBrokenParts breaks the connection somewhere in a snapshot of several parts.
func TestBrokenParts(t *testing.T) {
	bubble(t, redis.Config{}, func(t *testing.T, w *wire, m *miniredis.Miniredis, s *redis.Sink) {
		old, x := snapshot("m", 1, 1), large("m", 2, 2*redis.MaxPart+redis.MaxPart/2)
		write(t, s, old)
		size := len(text(t, x))
		for up := 1000; ; up += size / 7 {
			w.set(&fault{up: up, down: -1})
			err := s.WriteSnapshot(t.Context(), x)
			w.set(nil)
			if err == nil {
				break
			}
			if latest, err := s.Latest(t.Context(), "m"); err != nil || latest.Tick != 1 {
				t.Fatalf("after %d bytes of %d the latest is %d, %v", up, size, latest.Tick, err)
			}
			same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 1))
		}
		for got, err := range s.Snapshots(t.Context(), "m", 2, 2) {
			if err != nil || string(text(t, got)) != string(text(t, x)) {
				t.Errorf("it came back as something else, %v", err)
			}
		}
		time.Sleep(redis.PartLife) // what was given up goes away
		for _, key := range m.Keys() {
			if strings.Contains(key, ":part:") {
				t.Errorf("%q is there for ever", key)
			}
		}
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 2))
	})
}

// TestTwice writes with a caller's client that sends commands again: Redis gets each of
// them twice in turn, and the first time stands.
func TestTwice(t *testing.T) {
	bubble(t, redis.Config{}, func(t *testing.T, w *wire, _ *miniredis.Miniredis, s *redis.Sink) {
		write(t, s, large("warm", 1, 2*redis.MaxPart)) // Redis knows the scripts
		put(t, s, event("warm", 1, 1))
		db := goredis.NewClient(&goredis.Options{Dialer: w.dial, ContextTimeoutEnabled: true, MaxRetries: 2})
		t.Cleanup(func() { db.Close() })
		again := open(t, redis.Config{Client: db})
		x := large("m", 0, 2*redis.MaxPart+redis.MaxPart/2)
		const answer = len("$2\r\nOK\r\n") // of a script
		commands := uint64(0)
		for ; ; commands++ {
			x.Tick = commands
			w.set(&fault{up: -1, down: int(commands)*answer + 1, once: true})
			write(t, again, x)
			put(t, again, events("m", 1, commands*5+1, commands*5+5)...)
			if w.now() != nil {
				break // it had no more commands
			}
			back, err := s.Latest(t.Context(), "m")
			if err != nil || string(text(t, back)) != string(text(t, x)) {
				t.Errorf("the latest is something else: tick %d, %v", back.Tick, err)
			}
		}
		w.set(nil)
		if commands < 5 {
			t.Errorf("%d commands came twice", commands)
		}
		same(t, "snapshots", ticks(t, s, "m"), span(1, 0, commands))
		same(t, "events", seqs(t, s, "m"), span(1, 1, commands*5+5))
	})
}

// TestSlow writes to a Redis that takes its time for each of the two answers to a write.
func TestSlow(t *testing.T) {
	bubble(t, redis.Config{}, func(t *testing.T, w *wire, _ *miniredis.Miniredis, s *redis.Sink) {
		w.set(&fault{up: -1, down: -1, delay: redis.Timeout/2 - time.Second})
		write(t, s, snapshot("m", 1, 1))
		put(t, s, events("m", 1, 1, redis.MaxBatch+1)...)
		w.set(&fault{up: -1, down: -1, delay: redis.Timeout + time.Second})
		n, err := s.WriteEvents(t.Context(), events("m", 1, 1, redis.MaxBatch+10))
		if n != 0 || !errors.Is(err, core.ErrTimeout) {
			t.Errorf("slower than it may be: %d, %v", n, err)
		}
		w.set(nil)
		put(t, s, events("m", 1, 1, redis.MaxBatch+10)...)
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 1))
		same(t, "events", seqs(t, s, "m"), span(1, 1, redis.MaxBatch+10))
	})
}

// TestFlapping writes to a Redis that is there every other second, and mute in between.
func TestFlapping(t *testing.T) {
	bubble(t, redis.Config{}, func(t *testing.T, w *wire, m *miniredis.Miniredis, s *redis.Sink) {
		faults := []*fault{nil, {up: -1, mute: true, down: -1}, nil, {up: 0, down: -1}, nil, {up: -1, down: 3}}
		i := 0
		var flap *time.Timer
		flap = time.AfterFunc(time.Second, func() {
			i++
			w.set(faults[i%len(faults)])
			flap.Reset(time.Second)
		})
		defer flap.Stop()
		failed := 0
		for tick := uint64(1); tick <= 40; tick++ {
			batch := events("m", 1, tick*10-9, tick*10)
			for stored, done := false, 0; !stored || done < len(batch); {
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				stored = stored || s.WriteSnapshot(ctx, snapshot("m", 1, tick)) == nil
				n, err := s.WriteEvents(ctx, batch[done:])
				done += n
				cancel()
				if err != nil {
					failed++
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		w.set(nil)
		if failed < 10 {
			t.Errorf("%d writes failed, which is no flapping", failed)
		}
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 40))
		same(t, "events", seqs(t, s, "m"), span(1, 1, 400))
	})
}

// TestForeignPeer talks to servers that are no Redis.
func TestForeignPeer(t *testing.T) {
	for _, says := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example ESMTP\r\n", "\x15\x03\x01\x00\x02\x02\x46", "*-7\r\n", "$x\r\n", ":1\r\n:2\r\n:3\r\n", "+PONG\r\n", ""} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, redis.Config{}.WithDial(func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go func() {
					defer server.Close()
					for b := make([]byte, 4096); ; {
						if _, err := server.Read(b); err != nil {
							return
						}
						if _, err := server.Write([]byte(says)); err != nil || says == "" {
							return
						}
					}
				}()
				return client, nil
			}))
			for range 2 {
				n, err := s.WriteEvents(t.Context(), events("m", 1, 1, 2))
				if err == nil || n != 0 {
					t.Errorf("%q: %d events stored, %v", says, n, err)
				}
				if _, err := s.Latest(t.Context(), "m"); err == nil || errors.Is(err, core.ErrNotFound) {
					t.Errorf("%q: Latest: %v", says, err)
				}
			}
		})
	}
}

// TestExpire holds that a match goes as a whole, some time after the last write to it.
func TestExpire(t *testing.T) {
	bubble(t, redis.Config{Expire: time.Hour}, func(t *testing.T, w *wire, m *miniredis.Miniredis, s *redis.Sink) {
		names := func(want ...string) {
			t.Helper()
			got, err := s.Matches(t.Context())
			if err != nil {
				t.Error(err)
			}
			same(t, "matches", got, want)
		}
		for _, match := range []string{"a", "b", "kept"} {
			write(t, s, snapshot(match, 1, 5), snapshot(match, 1, 4))
			put(t, s, event(match, 1, 2), event(match, 1, 1))
		}
		keeps := open(t, redis.Config{}.WithDial(w.dial))
		put(t, keeps, event("kept", 1, 3))
		names("a", "b", "kept")
		time.Sleep(50 * time.Minute)
		put(t, s, event("b", 1, 3)) // renews all of it
		time.Sleep(30 * time.Minute)
		names("b", "kept")
		if _, err := s.Latest(t.Context(), "a"); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("the latest of a match that has expired: %v", err)
		}
		same(t, "snapshots of b", ticks(t, s, "b"), span(1, 4, 5))
		same(t, "events of b", seqs(t, s, "b"), span(1, 1, 3))
		time.Sleep(31 * time.Minute)
		names("kept")
		same(t, "snapshots of b", ticks(t, s, "b"), nil)
		put(t, s, event("c", 1, 1))
		if list, err := m.ZMembers("parley:matches"); err != nil || strings.Join(list, " ") != "c kept" && strings.Join(list, " ") != "kept c" {
			t.Errorf("the index holds %q, %v", list, err)
		}
		time.Sleep(1000 * time.Hour)
		names("kept")
		same(t, "snapshots that are kept", ticks(t, s, "kept"), span(1, 4, 5))
		same(t, "events that are kept", seqs(t, s, "kept"), span(1, 1, 3))
		if keys := m.Keys(); len(keys) != 6 {
			t.Errorf("what is left is %q", keys)
		}
	})
}
