package server_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// TestStory plays a match in which all happens that is recorded.
func TestStory(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play(func(c *server.Config) { c.UpdateRate = 2 })
		ann, bob := s.start()
		s.takes(ann, 3, "ring")
		for range 5 {
			if err := ann.Emit("nobody listens", 1); err != nil {
				t.Fatal(err)
			}
		}
		s.hush(bob)
		s.run(11 * time.Second)
		bob2 := s.join("Bob")
		s.run(time.Second)
		if mine := scoutOf(bob2, "Bob"); bob2.ID() != bob.ID() || mine == nil || !mine.IsMine() {
			t.Errorf("Bob came back as %v, was %v; the scout is %v", bob2.ID(), bob.ID(), mine)
		}
		eve := s.join("Eve")
		s.run(time.Second)
		if err := eve.SetInfo(Card{Name: "Mallory"}); err != nil {
			t.Fatal(err)
		}
		s.run(time.Second)
		if err := ann.Emit("oust", "Mallory"); err != nil {
			t.Fatal(err)
		}
		s.run(time.Second)
		tick := bob2.Tick()
		s.until("an update", func() bool { return bob2.Tick() > tick }) // half a second before the next one
		x := scoutOf(bob2, "Bob")
		if err := bob2.Emit("strip", true); err != nil {
			t.Fatal(err)
		}
		x.Pos.SetVelocity(1, 0) // it is not his any more when that arrives
		s.run(time.Second)
		if err := bob2.Close(); err != nil {
			t.Fatal(err)
		}
		s.run(time.Second)
		zoe := s.join("Zoe")
		s.run(time.Second)
		s.hush(zoe)
		s.run(41 * time.Second)
		for range 3 {
			if err := ann.Emit("fire", true); err != nil {
				t.Fatal(err)
			}
		}
		s.over()
		s.tells(s.match(), 1, `
joined 1 map[info:[Ann]]
joined 2 map[info:[Bob]]
ready 1 map[ready:true]
ready 2 map[ready:true]
started 0 map[players:[1 2]]
haul 1 map[Amount:3 What:ring]
lost 2 map[code:timeout reason:nothing heard for 10s]
resumed 2 map[info:[Bob]]
joined 3 map[info:[Eve]]
info 3 map[info:[Mallory]]
kicked 3 map[code:kicked reason:we do not like you]
refused 2 map[moves:1]
left 2 map[code:normal reason:left]
joined 4 map[info:[Zoe]]
lost 4 map[code:timeout reason:nothing heard for 10s]
refused 1 map[calls:5]
left 4 map[code:timeout reason:it did not come back]
ended 0 map[reason:over]
`)
	})
}

// TestPeriod holds when snapshots are written, and that they hold the world as it was
// then.
func TestPeriod(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		s.join("Ann")
		s.run(time.Minute) // a lobby has nothing to write
		if all, _ := s.snapshots(s.match()); len(all) > 0 {
			t.Errorf("%d snapshots of a lobby", len(all))
		}
		s.forget()
		s.run(time.Second)
		ann, _ := s.start()
		s.run(15 * time.Second)
		s.takes(ann, 1, "crown") // asks for one
		s.run(65 * time.Second)
		all, objects := s.snapshots(s.match())
		var at []string
		for _, x := range all {
			at = append(at, x.Time.Sub(all[0].Time).Round(time.Second).String())
		}
		if got := fmt.Sprint(at); got != "[0s 15s 45s 1m15s]" || all[0].Epoch != 1 {
			t.Errorf("snapshots of epoch %d at %v", all[0].Epoch, got)
		}
		for i, want := range []string{
			`Room 0 of 0 \[{Name main} {Started true} {Waited true} {Events 7} {LastObject 3} {LastPlayer 3} ` +
				`{Players \[map\[ID:2 Info:\[Ann\] Ready:true Status:ok\] map\[ID:3 Info:\[Bob\] Ready:true Status:ok\]\]}\]\n` +
				`camp 1 of 0 \[{Fires 0} {Keeper 3}\]\nscout 2 of 2 .*\nscout 3 of 3 .*\n$`,
			`Room 0 of 0 .*{Events 8} {LastObject 3}.*\ncamp 1 of 0 \[{Fires 0} {Keeper 3}\]\n` +
				`scout 2 of 2 \[{Name Ann} {Pos map\[maxSpeed:5 vx:0 vy:0 x:0 y:0\]} {Gold 1} {Bag \[crown\]}\]\nscout 3 of 3 .*\n$`,
		} {
			if !regexp.MustCompile("^" + want).MatchString(objects[i]) {
				t.Errorf("snapshot %d is\n%s, want\n%s", i, objects[i], want)
			}
		}
		s.shutDown()
		all, _ = s.snapshots(s.match())
		if n := len(all); n != 5 || all[4].Tick <= all[3].Tick {
			t.Errorf("%d snapshots after the end", n)
		}
		if got := s.story(s.match(), 1); !strings.HasSuffix(got, "ended 0 map[reason:shutdown]\n") {
			t.Errorf("the story is %s", got)
		}
	})
}

// TestOnDemand holds that a negative period leaves what is asked for, and the last
// state.
func TestOnDemand(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play(func(c *server.Config) { c.SnapshotEvery = -1 })
		ann, _ := s.start()
		s.run(time.Minute)
		s.takes(ann, 1, "crown")
		s.takes(ann, 1, "crown")
		if all, _ := s.snapshots(s.match()); len(all) != 2 {
			t.Errorf("%d snapshots, want 2", len(all))
		}
		s.shutDown()
		if all, _ := s.snapshots(s.match()); len(all) != 3 {
			t.Errorf("%d snapshots, want 3", len(all))
		}
	})
}

// TestNothingToRecord holds that rooms in which nothing happens leave nothing.
func TestNothingToRecord(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		s.run(time.Minute)
		s.shutDown()
		if names := s.matches(); len(names) != 0 {
			t.Errorf("the store has %q", names)
		}
	})
}

// TestFailedMatch holds that a match that panics or fails leaves its last state, and
// why.
func TestFailedMatch(t *testing.T) {
	for what, fail := range map[string]func() error{
		"parley: the match panicked: it burns": func() error { panic("it burns") },
		"no more wood":                         func() error { return errors.New("no more wood") },
	} {
		onStage(t, func(t *testing.T, s *stage) {
			s.play(func(c *server.Config) {
				c.Match = func(r *server.Room) error {
					for range r.Ticks() {
						if r.Stats().Ticks == 99 {
							c := state.Spawn(r.World(), &camp{})
							c.Fires.Set(7)
							return fail()
						}
					}
					return nil
				}
			})
			if err := <-s.served; err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("Serve: %v", err)
			}
			s.tells(s.match(), 1, "started 0 map[players:[]]\nended 0 map[error:"+what+" reason:failed]\n")
			if _, objects := s.snapshots(s.match()); len(objects) != 2 || !strings.HasSuffix(objects[1], "camp 1 of 0 [{Fires 7} {Keeper 0}]\n") {
				t.Errorf("the snapshots are %q", objects)
			}
		})
	}
}

// TestRematch holds that each match of a room that goes back to its lobby is told.
func TestRematch(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play(func(c *server.Config) {
			c.Match = func(r *server.Room) error {
				for range 2 {
					if err := r.Lobby().Wait(lobby.AllReady(1)); err != nil {
						return err
					}
					for range r.Ticks() {
						break
					}
					r.Lobby().Reopen()
				}
				return nil
			}
		})
		ann := s.join("Ann")
		for range 2 {
			if err := ann.SetReady(true); err != nil {
				t.Fatal(err)
			}
			s.run(2 * time.Second)
		}
		s.over()
		s.tells(s.match(), 1, `
joined 1 map[info:[Ann]]
ready 1 map[ready:true]
started 0 map[players:[1]]
reopened 0
ready 1 map[ready:true]
started 0 map[players:[1]]
reopened 0
ended 0 map[reason:over]
`)
	})
}
