package netsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// LAN is a wired network in one building: a round trip below a millisecond, 1 Gbit/s,
// and no loss.
func LAN() Link {
	return Link{Latency: 200 * time.Microsecond, Jitter: 200 * time.Microsecond, Rate: 125_000_000}
}

// WiFi is a radio network at home, with neighbours: 5 to 15 ms one way, 30 Mbit/s, and
// of 100 messages one lost, three in a row. Lists of profiles, such as those made for
// tylertreat/comcast, have 30 Mbit/s and anything from 10 ms and a loss of 2 % to
// 40 ms and 0.2 %.
func WiFi() Link {
	return Link{
		Latency: 5 * time.Millisecond, Jitter: 10 * time.Millisecond,
		Burst: BurstLoss(0.01, 3), Rate: 3_750_000,
	}
}

// LTE is a mobile network with a fair signal: 25 to 40 ms one way, 10 Mbit/s, and of
// 1,000 messages five lost, four in a row. Loadero's profile 4G has a latency of
// 45 ms with a jitter of 5 ms down and 15 ms up, a loss of 0.2 %, and an uplink of
// 50 Mbit/s, of which this is what a busy cell leaves.
func LTE() Link {
	return Link{
		Latency: 25 * time.Millisecond, Jitter: 15 * time.Millisecond,
		Burst: BurstLoss(0.005, 4), Rate: 1_250_000,
	}
}

// Satellite is a geostationary satellite: 280 to 300 ms one way, 1 Mbit/s with half a
// second of queue, and 1 message in 200 lost. RFC 2488 gives 239.6 to 279 ms for the
// way up and down; Loadero's profile has 600 ms and 1 Mbit/s down.
func Satellite() Link {
	return Link{
		Latency: 280 * time.Millisecond, Jitter: 20 * time.Millisecond,
		Loss: 0.005, Rate: 125_000, Queue: 500 * time.Millisecond,
	}
}

// Awful is a line that a game must survive, though nobody would play on it: 250 to
// 500 ms one way, 64 KB/s, of 100 messages five lost, five in a row, and four
// late by 50 ms. netcode's tests connect at 250 ms with 250 ms of jitter and 5 %
// loss (and 10 % duplicates, which a PacketLink can add); 64 KB/s and 4 % late by
// 50 ms are the worst that the soak test of Valve's GameNetworkingSockets goes
// through.
func Awful() Link {
	return Link{
		Latency: 250 * time.Millisecond, Jitter: 250 * time.Millisecond,
		Burst: BurstLoss(0.05, 5), Reorder: 0.04, ReorderBy: 50 * time.Millisecond,
		Rate: 64_000,
	}
}

var profiles = []struct {
	name string
	link func() Link
}{
	{"lan", LAN}, {"wifi", WiFi}, {"lte", LTE}, {"satellite", Satellite}, {"awful", Awful},
}

// Profiles returns the names that Profile knows, from the best to the worst: "lan",
// "wifi", "lte", "satellite" and "awful".
//
// A profile is for one direction; use it for both. A round trip takes twice its Latency
// and, on average, its Jitter. The figures are round numbers near published ones, chosen
// so that each profile differs from the next in kind: they are for tests, and no
// forecast of anybody's line.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return slices.Clip(names)
}

// Profile returns the profile of that name, in whatever case: for command lines. The
// error of a name that it does not know lists those that it does.
func Profile(name string) (Link, error) {
	for _, p := range profiles {
		if strings.EqualFold(p.name, name) {
			return p.link(), nil
		}
	}
	return Link{}, fmt.Errorf("netsim: there is no profile %q; there are %s", name, strings.Join(Profiles(), ", "))
}
