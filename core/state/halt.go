package state

// Halt stops everything that a player steers: the velocities of its objects become
// zero. The server's room calls it when a connection is lost. On a client it panics
// with an *AuthorityError.
func (w *World) Halt(p PlayerID) {
	if !w.authority {
		panic(&AuthorityError{Op: "Halt", Object: "the world"})
	}
	for obj := range w.OwnedBy(p) {
		if pos := obj.base().pos; pos != nil && !pos.cfg.ServerControlled {
			pos.SetVelocity(0, 0)
		}
	}
}
