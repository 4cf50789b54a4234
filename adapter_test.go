package parley_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestAdapter runs the tests of examples/adapter, a transport in a module of its own,
// as its author would.
func TestAdapter(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	cmd := exec.Command("go", "test", "./...")
	cmd.Dir = "examples/adapter"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v in %s: %v\n%s", cmd, cmd.Dir, err, out)
	}
}
