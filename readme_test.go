package parley_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program of the README compiles as it stands there.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(readme), "\n"); n >= 150 {
		t.Errorf("README.md has %d lines; under 150 are read", n)
	}
	blocks := strings.Split(string(readme), "```go\n")
	if len(blocks) < 3 {
		t.Fatal("README.md has no program")
	}
	game, _, _ := strings.Cut(blocks[1], "```")
	around, _, _ := strings.Cut(blocks[2], "```")
	if n := strings.Count(game, "\n"); n > 25 {
		t.Errorf("the game of README.md has %d lines; about 20 are read", n)
	}
	code := around + game
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "internal", "readme", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-overlay", overlayFile, "-o", filepath.Join(dir, "readme"), "./internal/readme").CombinedOutput()
	if err != nil {
		t.Errorf("the program of README.md does not compile: %v\n%s", err, out)
	}
}
