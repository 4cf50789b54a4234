package netsim_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley/conformance/netsim"
)

// The lengths of bursts are geometric, with the mean that was asked for.
func TestBurstLengths(t *testing.T) {
	const count = 10000
	for _, tt := range []struct{ loss, length float64 }{{0.01, 3}, {0.05, 5}, {0.05, 10}, {0.2, 1}, {0.5, 4}} {
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Burst: netsim.BurstLoss(tt.loss, tt.length)}}, 1)
			var lengths []float64
			next, lost := 0, 0
			for _, p := range burst(t, a, b, count, 0) {
				if gap := number(p) - next; gap > 0 {
					lengths = append(lengths, float64(gap))
					lost += gap
				}
				next = number(p) + 1
			}
			// The deviation of such a share is that of independent loss times
			// the root of what bursts add.
			share := float64(lost) / count
			bound := 5 * math.Sqrt(tt.loss*(1-tt.loss)*2*tt.length/count)
			if math.Abs(share-tt.loss) > bound {
				t.Errorf("%+v: the share of %.4f was lost, want within %.4f", tt, share, bound)
			}
			sum, atLeast := 0.0, 0
			for _, l := range lengths {
				if sum += l; l >= tt.length+1 {
					atLeast++
				}
			}
			deviation := math.Sqrt(tt.length*(tt.length-1)/float64(len(lengths))) + 1e-9
			if mean := sum / float64(len(lengths)); math.Abs(mean-tt.length) > 5*deviation {
				t.Errorf("%+v: bursts are %.3f long, want within %.3f", tt, mean, 5*deviation)
			}
			wantShare(t, fmt.Sprintf("%+v: bursts longer than the mean", tt), atLeast, len(lengths),
				math.Pow(1-1/tt.length, tt.length))
		})
	}
}

func TestBurstLoss(t *testing.T) {
	for _, tt := range []struct {
		loss, length float64
		want         netsim.Burst
	}{
		{0, 5, netsim.Burst{}},
		{-1, 5, netsim.Burst{}},
		{math.NaN(), 5, netsim.Burst{}},
		{1, 5, netsim.Burst{Enter: 1, Loss: 1}},
		{0.5, 2, netsim.Burst{Enter: 0.5, Leave: 0.5, Loss: 1}},
		{0.5, 0, netsim.Burst{Enter: 1, Leave: 1, Loss: 1}},
		{0.8, 1, netsim.Burst{Enter: 1, Leave: 0.25, Loss: 1}},
	} {
		got := netsim.BurstLoss(tt.loss, tt.length)
		if math.Abs(got.Enter-tt.want.Enter)+math.Abs(got.Leave-tt.want.Leave)+math.Abs(got.Loss-tt.want.Loss) > 1e-9 {
			t.Errorf("BurstLoss(%v, %v) = %+v, want %+v", tt.loss, tt.length, got, tt.want)
		}
	}
}

// Each state has a loss of its own.
func TestBurstStates(t *testing.T) {
	const count = 8000
	for _, tt := range []struct {
		link netsim.Link
		want float64
	}{
		{netsim.Link{Loss: 0.1, Burst: netsim.Burst{Enter: 0.1, Leave: 0.1, Loss: 0.5}}, 0.3},
		{netsim.Link{Loss: 0.1, Burst: netsim.Burst{Enter: 0.1, Leave: 0.1, Loss: -1}}, 0.05},
		{netsim.Link{Burst: netsim.Burst{Enter: 1, Leave: 1}}, 0.5},
		{netsim.Link{Loss: 0.1, Burst: netsim.Burst{Leave: 0.1, Loss: 0.5}}, 0.1},
		{netsim.Link{Burst: netsim.Burst{Enter: 1}}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			n, a, b := openTwo(t, netsim.PacketLink{Link: tt.link}, 1)
			burst(t, a, b, count, 0)
			if share := float64(n.Counters().Lost) / count; math.Abs(share-tt.want) > 0.06*tt.want {
				t.Errorf("%+v: the share of %.3f was lost, want %.3f", tt.link, share, tt.want)
			}
		})
	}
}
