package conformance

import (
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

const packetTimeout = 2 * time.Second

// overPackets hands packets with a bug to the suite.
func overPackets(bug string) func(h *Transport) {
	return func(h *Transport) {
		h.Timeout, h.Virtual = packetTimeout, true
		h.NewOn = func(_ testing.TB, n *netsim.Network) core.Transport {
			return &packets{open: n.ListenPacket, timeout: packetTimeout, bug: bug}
		}
	}
}

func realPackets(testing.TB) core.Transport {
	return &packets{open: new(net.ListenConfig).ListenPacket, timeout: packetTimeout}
}

// flawed is a mutant of the adapter on datagrams.
func flawed(says, bug string, laws ...string) mutant {
	for i, name := range laws {
		laws[i] = "Network/" + name
	}
	return mutant{laws, says, realPackets, overPackets(bug)}
}

var networkMutants = []mutant{
	flawed("asks only once for a connection", "asks once", "Dial"),
	flawed("takes a repeated packet for a new one", "no numbers", "Reliable", "Reversed"),
	flawed("delivers the copies of a packet", "no window", "Unreliable", "Copies", "Replay"),
	flawed("has no checksum", "no checksum", "Corruption", "Injected"),
	flawed("says goodbye once and goes", "bye once", "Close"),
	flawed("sends packets of 1,400 bytes", "large packets", "MTU"),
	flawed("loses one Unreliable message in three by itself", "careless", "Loss"),
	flawed("takes a peer that is far away for silent", "hasty", "Latency"),
	flawed("gives up after a few repetitions", "impatient", "Blackout", "Latency"),
	flawed("says that each round trip takes a millisecond", "guesses", "RTT"),
	flawed("connects by short packets where longer ones do not pass", "short hello", "Narrow"),
	flawed("repeats every 15 ms what is not acknowledged, whatever the network carries", "", "Rate"),
	flawed("sends what is Unreliable when it can, however old it is", "hoards", "Fresh"),
	flawed("takes what it sends for a sign of life", "hears itself", "LongBlackout", "OneWay"),
	flawed("goes on with a connection that has ended when the peer is heard again", "comes back", "LongBlackout"),
	flawed("ends after so many pings", "tired", "Idle"),
	flawed("numbers Unreliable messages in 16 bits", "counts in 16 bits", "Counters"),
	flawed("takes packets of a connection that it does not know for a new one", "adopts", "Restart"),
	flawed("refuses a second connection from one address", "one per address", "Restart"),
	flawed("ends the connection over garbage", "ends on garbage", "Forged", "Injected", "Mangled"),
	flawed("admits a dialer again whose packets are replayed", "forgetful", "Replay"),
	flawed("gives the same cookies after a restart", "same cookies", "ReplayToRestarted"),
	flawed("answers a first packet with a longer one", "talkative", "Amplification", "Unanswered"),
	flawed("answers a first packet several times", "insistent", "Amplification", "Unanswered"),
	flawed("answers short first packets", "short hello", "Amplification", "Unanswered"),
	flawed("keeps something about everybody who says hello", "keeps strangers", "Flood"),
	flawed("has a goroutine for everybody who says hello", "attends to strangers", "Flood"),
	flawed("knows a dialer by his address", "stays", "PortChange"),
	flawed("follows packets to wherever they come from", "follows", "Hijack"),
	flawed("stops to read when its socket returns an error", "dies of an error", "Errors"),
}

// TestPackets holds that the adapter that these are made of is sound.
func TestPackets(t *testing.T) {
	h := Transport{
		New: func(tb testing.TB) core.Transport {
			n := netsim.NewNetwork(1)
			tb.Cleanup(func() { n.Close() })
			return &packets{open: n.ListenPacket, timeout: packetTimeout}
		},
		Except: map[string]string{"Network/Rate": "it repeats every 15 ms what is not acknowledged"},
	}
	overPackets("")(&h)
	testInMemory(t, h)
}
