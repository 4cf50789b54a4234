package netsim

// A Burst is the model of Gilbert and Elliott for loss that comes in bursts, as that
// of radio links does. A link is in a good state or in a bad one. Before each message
// it may change over; then the message meets the loss of the state: Link.Loss in the
// good one and Burst.Loss in the bad one. Reliable messages take part in the changes
// and are not lost.
//
// The link is bad for Enter/(Enter+Leave) of all messages, and for 1/Leave of
// them in a row on average. BurstLoss computes both the other way round.
type Burst struct {
	// Enter is the chance, 0 to 1, that a good link turns bad before a message.
	// 0 means never, and that there are no bursts.
	Enter float64
	// Leave is the chance, 0 to 1, that a bad link turns good before a message. 0
	// means never.
	Leave float64
	// Loss is the share, 0 to 1, of messages that are lost in the bad state. 0
	// means 1: all of them. A negative value means none.
	Loss float64
}

// BurstLoss returns the Burst that loses the share loss, 0 to 1, of all messages, in
// bursts of length messages on average, where a link loses nothing between them.
// Values out of range count as the nearest in it; the least length is 1. A share that
// is too high for bursts so short, loss > length/(length+1), gives longer ones.
func BurstLoss(loss, length float64) Burst {
	switch {
	case !(loss > 0):
		return Burst{}
	case loss >= 1:
		return Burst{Enter: 1, Loss: 1}
	}
	leave := 1 / max(length, 1)
	enter := leave * loss / (1 - loss)
	if enter > 1 {
		leave, enter = (1-loss)/loss, 1
	}
	return Burst{Enter: enter, Leave: leave, Loss: 1}
}

// step moves the state on by one message.
func (b *Burst) step(bad bool, drawn uint64) bool {
	chance := unit(drawn, partBurst)
	if bad {
		return !(chance < b.Leave)
	}
	return chance < b.Enter
}
