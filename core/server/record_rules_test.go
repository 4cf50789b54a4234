package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// TestRecordedNames holds what matches are called, whatever players call rooms, and
// that each has a name of its own.
func TestRecordedNames(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var named []string
		s.play(func(c *server.Config) {
			c.Rooms, c.Matches = 4, 6
			c.Match = func(r *server.Room) error {
				before := r.Match()
				for range r.Ticks() {
					if r.Lobby().Len() > 0 {
						break
					}
				}
				if before != "" || r.Match() == "" {
					t.Errorf("the match is called %q, was %q", r.Match(), before)
				}
				named = append(named, r.Match())
				return nil
			}
		})
		for _, room := range []string{"main", "a b/../$c", "ümlaut\xff", strings.Repeat("long", 60), "main", "main"} {
			s.join("Ann", func(c *client.Config) { c.Room = room })
			s.run(2 * time.Second)
		}
		s.over()
		names := s.matches()
		pattern := regexp.MustCompile(`^(main|a-b-..--c|-mlaut-|(long){16})-2000010[0-9]-[0-9]{6}\.[0-9]{9}$`)
		for _, name := range names {
			if !pattern.MatchString(name) {
				t.Errorf("a match is called %q", name)
			}
		}
		if slices.Sort(named); !slices.Equal(names, named) || len(names) != 6 {
			t.Errorf("stored are %q, and the rooms say %q", names, named)
		}
	})
}

// TestRecordErrors holds what Record takes.
func TestRecordErrors(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play(func(c *server.Config) {
			c.Match = func(r *server.Room) error {
				for _, c := range []struct {
					kind string
					data any
					err  string
					is   error
				}{
					{"", nil, "no text of 1 to 64 bytes", nil},
					{strings.Repeat("x", 65), nil, "no text of 1 to 64 bytes", nil},
					{"a\x00", nil, "no text of 1 to 64 bytes", nil},
					{"ended", nil, `events of kind "ended" are the room's own`, nil},
					{"joined", nil, "choose another name", nil},
					{"odd", 5, "the data is a int: want a struct or a map", core.ErrUnsupported},
					{"odd", []int{5}, "the data is a []int", core.ErrUnsupported},
					{"odd", map[string]any{"a": make(chan int)}, `parley: record odd: ["a"]: a chan int is no value`, core.ErrUnsupported},
				} {
					err := r.Record(c.kind, 1, c.data)
					if err == nil || !strings.Contains(err.Error(), c.err) || c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("Record(%.10q, %v): %v; want %q", c.kind, c.data, err, c.err)
					}
				}
				data := map[string]int{"n": 1}
				for _, x := range []any{data, nil, &haul{2, "x"}, (*haul)(nil)} {
					if err := r.Record("fine", 7, x); err != nil {
						t.Error(err)
					}
				}
				data["n"] = 5 // too late
				return nil
			}
		})
		s.over()
		s.tells(s.match(), 1, `
fine 7 map[n:1]
fine 7
fine 7 map[Amount:2 What:x]
fine 7
ended 0 map[reason:over]
`)
	})
}

// TestWithoutSink holds that a match that records is played without a sink too.
func TestWithoutSink(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play(func(c *server.Config) {
			c.Sink = nil
			match := c.Match
			c.Match = func(r *server.Room) error {
				err := match(r)
				if r.Match() != "" {
					t.Errorf("the match is called %q", r.Match())
				}
				return err
			}
		})
		ann, _ := s.start()
		s.takes(ann, 1, "crown")
		s.shutDown()
		if names := s.matches(); len(names) != 0 {
			t.Errorf("the store has %q", names)
		}
	})
}

// TestFidgeting holds that a player who changes all the time fills no store.
func TestFidgeting(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		ann := s.join("Ann")
		for i := range 600 {
			if err := errors.Join(ann.SetReady(i%2 == 0), ann.SetInfo(Card{Name: fmt.Sprint(i)})); err != nil {
				t.Fatal(err)
			}
			s.run(time.Second / 60)
		}
		s.run(2 * time.Second)
		s.shutDown()
		story := s.story(s.match(), 1)
		if n := strings.Count(story, "\n"); n > 30 || !strings.Contains(story, "info 1 map[info:[599]]") {
			t.Errorf("%d events of 600 changes in 10 s:\n%s", n, story)
		}
	})
}

// TestFloods holds that messages above the rate are summed up.
func TestFloods(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		refused := uint64(0)
		s.play(func(c *server.Config) {
			c.MessageRate = 5
			c.Match = func(r *server.Room) error {
				r.OnLeave(func(p *server.Player) { refused = p.Refused() })
				for range r.Ticks() {
				}
				return nil
			}
		})
		ann := s.join("Ann")
		s.run(100 * time.Second) // she says ten times a second that she is there
		if err := ann.Close(); err != nil {
			t.Error(err)
		}
		s.run(time.Second)
		s.shutDown()
		sum := int64(0)
		for _, e := range s.events(s.match(), 1) {
			if e.Kind == "refused" {
				sum += e.Data["floods"].(int64)
			}
		}
		if sum == 0 || sum != int64(refused) || strings.Count(s.story(s.match(), 1), "refused") > 5 {
			t.Errorf("%d messages are recorded as floods, %d were refused:\n%s", sum, refused, s.story(s.match(), 1))
		}
	})
}

// TestSinkDown holds that a match does not feel whether its sink takes anything, and
// that the server's end waits for it a while and no longer.
func TestSinkDown(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var log bytes.Buffer // the room's only, until Serve has returned
		var stats server.Stats
		s.store.Stop()
		s.play(func(c *server.Config) {
			c.SnapshotEvery = time.Second
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
			c.Match = func(r *server.Room) error {
				began := time.Now()
				ticks := 0
				for range r.Ticks() {
					if err := r.Record("tick", state.Server, haul{Amount: ticks}); err != nil {
						return err
					}
					if ticks++; ticks == 600 {
						break
					}
				}
				if d := time.Since(began).Round(time.Millisecond); d != 10*time.Second {
					t.Errorf("600 ticks took %v", d)
				}
				stats = r.Stats()
				return nil
			}
		})
		began := time.Now()
		s.over()
		if d := time.Since(began); d > 16500*time.Millisecond {
			t.Errorf("the server took %v to end, 10 s of them to play", d)
		}
		if stats.Skipped > 0 || stats.EventsLost > 0 || stats.SinkErrors == 0 || stats.SnapshotsSkipped == 0 {
			t.Errorf("the room's counters are %+v", stats)
		}
		if !strings.Contains(log.String(), "the sink did not take all that was recorded") {
			t.Errorf("the log says %s", &log)
		}
		s.store.Start()
		if names := s.matches(); len(names) != 0 {
			t.Errorf("stored is %q", names)
		}
	})
}

// TestInfoOfAnyKind holds that what a player says about itself is recorded so that
// people can read it, or at least whole.
func TestInfoOfAnyKind(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		for _, info := range []any{nil, "Ann", map[string]int{"level": 3}, float32(0.5), []byte{1}} {
			s.join("", func(c *client.Config) { c.Info = info })
		}
		s.shutDown()
		s.tells(s.match(), 1, `
joined 1
joined 2 map[info:Ann]
joined 3 map[info:map[level:3]]
joined 4 map[info:map[msgp/1:[202 63 0 0 0]]]
joined 5 map[info:[1]]
ended 0 map[reason:shutdown]
`)
	})
}
