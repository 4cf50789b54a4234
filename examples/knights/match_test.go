package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/transport/mem"
)

// TestBattle plays whole battles of four bots, in virtual time.
func TestBattle(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playBattle(t, seed) })
		})
	}
}

func playBattle(t *testing.T, seed uint64) {
	const length = 40 * time.Second
	var log strings.Builder // the match's only, until Serve has returned
	b := &battle{players: len(bots), length: length, rnd: rand.New(rand.NewPCG(seed, 0)), out: &log}
	network := new(mem.Transport)
	ready, served := make(chan string, 1), make(chan error, 1)
	go func() {
		served <- parley.Serve(t.Context(), "field", parley.Server{
			Schema: Schema, Match: b.match, Matches: 1, Transport: network,
			Ready: func(addr string) { ready <- addr },
		})
	}()
	addr := <-ready
	began := time.Now()
	type end struct {
		result
		err error
	}
	ends := make(chan end, len(bots))
	for i, name := range bots {
		go func() {
			res, err := runBot(t.Context(), network, addr, name, rand.New(rand.NewPCG(seed, uint64(i))))
			ends <- end{res, err}
		}()
	}
	var scores []string
	gold := 0
	for i := range bots {
		e := <-ends
		if e.err != nil {
			t.Error(e.err)
		}
		scores = append(scores, fmt.Sprint(e.score))
		if scores[i] != scores[0] {
			t.Errorf("two knights see the scores %s and %s", scores[0], scores[i])
		}
		for _, s := range e.score {
			if i == 0 {
				gold += s.Gold
			}
			if s.Health <= 0 || s.Health > maxHealth {
				t.Errorf("Sir %s stands with health %d", s.Name, s.Health)
			}
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	story := log.String()
	if d := time.Since(began); d > length+5*time.Second {
		t.Errorf("the battle took %v", d)
	}
	if strings.Count(story, "rides onto the field") != len(bots) {
		t.Errorf("not all knights came:\n%s", story)
	}
	taken, fallen := 0, strings.Count(story, " fells ")
	for line := range strings.Lines(story) {
		var n int
		if _, rest, ok := strings.Cut(line, " and takes "); ok {
			fmt.Sscan(rest, &n)
		} else if _, rest, ok := strings.Cut(line, " falls with "); ok {
			fmt.Sscan(rest, &n) // lost with its knight
			n = -n
		}
		taken += n
	}
	if taken != gold {
		t.Errorf("knights took %d gold and have %d:\n%s", taken, gold, story)
	}
	if won := strings.Contains(story, "the field is won!"); won != (fallen == len(tribe)) {
		t.Errorf("the field is won: %v, and %d of %d barbarians have fallen:\n%s", won, fallen, len(tribe), story)
	}
}
