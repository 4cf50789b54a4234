package netsim_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// wantShare checks that hits of tries are as many as chance share allows: within five
// standard deviations. As seeds are fixed, so is the outcome.
func wantShare(t *testing.T, what string, hits, tries int, share float64) {
	t.Helper()
	got := float64(hits) / float64(tries)
	if bound := 5 * math.Sqrt(share*(1-share)/float64(tries)); math.Abs(got-share) > bound {
		t.Errorf("%s: the share is %.4f, want %.4f ± %.4f", what, got, share, bound)
	}
}

// burst sends packets numbered 0 to count-1, one every gap, from a to b, and returns
// what b gets.
func burst(t *testing.T, a, b *netsim.PacketConn, count int, gap time.Duration) []packet {
	t.Helper()
	b.SetReadBuffer(1 << 30)
	to := b.Public()
	send := func() {
		for i := range count {
			a.WriteToUDPAddrPort(strconv.AppendInt(nil, int64(100_000+i), 10), to)
			if gap > 0 {
				time.Sleep(gap)
			}
		}
	}
	if gap == 0 {
		send()
	} else {
		go send()
	}
	return drain(t, b, 10*time.Second)
}

// number returns the number of a packet of burst.
func number(p packet) int {
	i, _ := strconv.Atoi(p.data)
	return i - 100_000
}

func TestLossAndCopies(t *testing.T) {
	const count = 1000
	for _, tt := range []struct {
		loss, duplicate float64
		copies          int
	}{{0, 0, 0}, {0.01, 0, 0}, {0.33, 0, 0}, {1, 0, 0}, {0, 0.1, 0}, {0, 0.5, 1}, {0, 0.25, 5}, {0, 1, 3}, {0.25, 0.25, 0}} {
		lost, doubled, extra, sent := 0, 0, 0, 0
		for seed := range uint64(5) {
			synctest.Test(t, func(t *testing.T) {
				link := netsim.PacketLink{Link: netsim.Link{Loss: tt.loss}, Duplicate: tt.duplicate, Copies: tt.copies}
				n, a, b := openTwo(t, link, seed)
				seen := make([]int, count)
				for _, p := range burst(t, a, b, count, 0) {
					seen[number(p)]++
				}
				for _, times := range seen {
					if times == 0 {
						lost++
					} else if times > 1 {
						doubled++
						extra += times - 1
					}
					if times > 1+max(tt.copies, 1) {
						t.Errorf("a packet came %d times", times)
					}
				}
				sent += count
				c := n.Counters()
				if c.Sent+c.Duplicated != c.Delivered+c.Lost || c.Sent != count {
					t.Errorf("Counters = %+v", c)
				}
			})
		}
		wantShare(t, fmt.Sprintf("%+v lost", tt), lost, sent, tt.loss)
		wantShare(t, fmt.Sprintf("%+v doubled", tt), doubled, sent-lost, tt.duplicate)
		if doubled > 0 {
			mean, want := float64(extra)/float64(doubled), float64(1+max(tt.copies, 1))/2
			if math.Abs(mean-want) > 0.1 {
				t.Errorf("%+v: those that came again did so %.2f times, want %.2f", tt, mean, want)
			}
		}
	}
}

// Each copy has its own delay, up to CopyDelay later.
func TestReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := openTwo(t, netsim.PacketLink{
			Link:      netsim.Link{Latency: 100 * ms, Jitter: 10 * ms},
			Duplicate: 1, Copies: 100, CopyDelay: time.Second,
		}, 1)
		write(t, a, b, "x")
		got := drain(t, b, 10*time.Second)
		if len(got) < 3 {
			t.Fatalf("%d copies arrived", len(got))
		}
		times := make(map[time.Duration]bool)
		for _, p := range got {
			if times[p.at] = true; p.at < 100*ms || p.at > 1110*ms {
				t.Errorf("a copy arrived after %v", p.at)
			}
		}
		if len(times) != len(got) || got[len(got)-1].at < 500*ms {
			t.Errorf("%d copies came at %d times, the last at %v", len(got), len(times), got[len(got)-1].at)
		}
	})
}

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

func TestPacketReorder(t *testing.T) {
	const count = 1000
	late, all := 0, 0
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 20 * ms, Reorder: 0.3, ReorderBy: 40 * ms}}, seed)
			for _, p := range burst(t, a, b, count, 10*ms) {
				switch took := p.at - time.Duration(number(p))*10*ms; took {
				case 20 * ms:
				case 60 * ms:
					late++
				default:
					t.Errorf("packet %d took %v", number(p), took)
				}
				all++
			}
		})
	}
	if all != 5*count {
		t.Errorf("%d packets arrived", all)
	}
	wantShare(t, "late", late, all, 0.3)
}

// A corrupted packet always differs, in the way that was asked for.
func TestCorrupt(t *testing.T) {
	sent := map[string]string{
		"empty": "", "byte": "x", "text": strings.Repeat("abc", 30), "zeros": string(make([]byte, 50)),
	}
	ways := map[netsim.Corruption]func(was, is string) bool{
		netsim.FlipBit: func(was, is string) bool {
			return len(is) == len(was) && len(differing(was, is)) == 1 && onlyBit(was, is)
		},
		netsim.ChangeByte: func(was, is string) bool { return len(is) == len(was) && len(differing(was, is)) == 1 },
		netsim.ZeroTail: func(was, is string) bool {
			at := differing(was, is)[0]
			return len(is) == len(was) && (strings.Trim(is[at:], "\x00") == "" || onlyBit(was, is))
		},
		netsim.CutTail:    func(was, is string) bool { return len(is) < len(was) && strings.HasPrefix(was, is) },
		netsim.ExtendTail: func(was, is string) bool { return strings.HasPrefix(is, was) },
	}
	for way, ok := range ways {
		for name, was := range sent {
			synctest.Test(t, func(t *testing.T) {
				_, a, b := openTwo(t, netsim.PacketLink{Corrupt: 1, CorruptAs: way}, 1)
				seen := make(map[string]bool)
				for range 300 {
					write(t, a, b, was)
				}
				for _, p := range drain(t, b, time.Second) {
					if seen[p.data] = true; p.data == was || len(p.data) > len(was)+16 || was != "" && !ok(was, p.data) {
						t.Fatalf("way %d: %s %q became %q", way, name, was, p.data)
					}
				}
				if len(seen) < 2 && name != "byte" {
					t.Errorf("way %d: %s always became %v", way, name, seen)
				}
				if way == netsim.CutTail && len(seen) < len(was)*4/5 {
					t.Errorf("%s was cut to only %d lengths", name, len(seen))
				}
			})
		}
	}
}

func differing(a, b string) (at []int) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return at
}

func onlyBit(a, b string) bool {
	at := differing(a, b)
	x := a[at[0]] ^ b[at[0]]
	return len(at) == 1 && x&(x-1) == 0
}

// Corrupt is a share, and without CorruptAs all ways take part alike.
func TestCorruptShare(t *testing.T) {
	const count = 8000
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Corrupt: 0.2}, 1)
		shorter, longer, altered := 0, 0, 0
		for i, p := range burst(t, a, b, count, 0) {
			switch was := strconv.Itoa(100_000 + i); {
			case len(p.data) < len(was):
				shorter++
			case len(p.data) > len(was):
				longer++
			case p.data != was:
				altered++
			}
		}
		wantShare(t, "shorter", shorter, count, 0.04)
		wantShare(t, "longer", longer, count, 0.04)
		wantShare(t, "altered", altered, count, 0.12)
		if c := n.Counters().Corrupted; int(c) != shorter+longer+altered {
			t.Errorf("%d were corrupted, and %d are", c, shorter+longer+altered)
		}
	})
}

func TestProfiles(t *testing.T) {
	if names := netsim.Profiles(); !slices.Equal(names, []string{"lan", "wifi", "lte", "satellite", "awful"}) {
		t.Errorf("Profiles = %q", names)
	}
	best := time.Duration(0)
	for _, name := range netsim.Profiles() {
		link, err := netsim.Profile(strings.ToUpper(name))
		if err != nil {
			t.Fatal(err)
		}
		if mean := link.Latency + link.Jitter/2; mean <= best || link.Rate == 0 {
			t.Errorf("%s: the mean delay is %v, that of the one before %v", name, mean, best)
		} else {
			best = mean
		}
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: link}, 1)
			got := burst(t, a, b, 1000, time.Second/60)
			if len(got) < 900 {
				t.Errorf("%s: %d of 1000 packets arrived", name, len(got))
			}
			for _, p := range got {
				late := p.at - time.Duration(number(p))*(time.Second/60)
				if late < link.Latency || late > link.Latency+link.Jitter+link.ReorderBy+ms {
					t.Errorf("%s: packet %d took %v", name, number(p), late)
				}
			}
		})
	}
	if _, err := netsim.Profile("modem"); err == nil || !strings.Contains(err.Error(), "lan, wifi") {
		t.Errorf("Profile(modem): %v", err)
	}
}
