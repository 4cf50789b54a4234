package netsim_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestSameSeedSameRun(t *testing.T) {
	trace := func(seed uint64) (up, down []arrival) {
		synctest.Test(t, func(t *testing.T) {
			up, down = run(t, netsim.Wrap(new(mem.Transport), bad, seed))
		})
		return up, down
	}
	var previous []arrival
	for seed := range uint64(3) {
		up, down := trace(seed)
		again, downAgain := trace(seed)
		if !slices.Equal(up, again) || !slices.Equal(down, downAgain) {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if slices.Equal(up, previous) {
			t.Errorf("seeds %d and %d give the same run", seed-1, seed)
		}
		if slices.Equal(up, down) {
			t.Errorf("seed %d: both directions have the same fate", seed)
		}
		previous = up
	}
}

// What other connections do, and which Links there were before, does not change
// the fate of a message.
func TestFateIsTheConnsOwn(t *testing.T) {
	trace := func(noise bool) (got []arrival) {
		synctest.Test(t, func(t *testing.T) {
			sim := netsim.Wrap(new(mem.Transport), bad, 7)
			client, server := connect(t, sim)
			other, otherServer := connect(t, sim)
			defer closeAll(client, server, other, otherServer)
			if noise {
				sim.SetLink(netsim.Link{Loss: 1})
			}
			for range 10 {
				send(t, client, core.Unreliable, "early")
			}
			record(t, server, time.Now())
			sim.SetLink(bad)
			start := time.Now()
			for i := range 100 {
				if noise {
					send(t, other, core.Unreliable, "noise")
					send(t, otherServer, core.Reliable, "noise")
				}
				send(t, client, core.Unreliable, fmt.Sprint(i))
			}
			got = record(t, server, start)
		})
		return got
	}
	if quiet, noisy := trace(false), trace(true); !slices.Equal(quiet, noisy) {
		t.Errorf("the same sends met another fate:\n%v\n%v", quiet, noisy)
	}
}

func TestConnsHaveFatesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.Wrap(new(mem.Transport), bad, 1)
		var runs [3][]arrival
		for i := range runs {
			client, server := connect(t, sim)
			defer closeAll(client, server)
			start := time.Now()
			for n := range 50 {
				send(t, client, core.Unreliable, fmt.Sprint(n))
			}
			runs[i] = record(t, server, start)
		}
		if slices.Equal(runs[0], runs[1]) || slices.Equal(runs[1], runs[2]) {
			t.Error("two connections have the same fate")
		}
	})
}
