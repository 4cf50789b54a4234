package parley_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/parley-net/parley"

// importLaw says which package may import which. A line holds packages, a colon,
// and what they may import besides the standard library. Paths without a dot in
// their first element are inside this module; "x/..." is x and everything below it; *
// is one element of a path. The first line that names a package is its law, and a
// package without a line fails.
//
// A build that breaks the law is fixed in the package that breaks it, not here.
const importLaw = `
	# The contract depends on nothing. What stands on it depends downward:
	# internal, state <- rpc, lobby <- server, client.
	core:
	core/internal/shape:
	core/internal/plain:        core
	core/internal/wire:         core
	core/internal/link:         core core/internal/wire
	core/state:                 core core/internal/...
	core/rpc core/lobby:        core core/internal/... core/state
	core/server core/client:    core core/internal/... core/state core/rpc core/lobby

	# Adapters know the contract and their foreign library, and nothing of the game.
	codec:                      core github.com/tinylib/msgp/msgp
	transport/mem:              core
	transport/identity:         core golang.org/x/crypto/...
	transport/token:            core transport/identity golang.org/x/crypto/...
	transport/internal/...:     core transport/identity transport/token transport/internal/... github.com/flynn/noise golang.org/x/crypto/... golang.org/x/net/... golang.org/x/sys/...
	transport/tcp:              core transport/identity transport/internal/...
	transport/udp:              core transport/identity transport/token transport/internal/... golang.org/x/net/... golang.org/x/sys/...
	transport/kcp:              core transport/identity transport/token transport/internal/... github.com/xtaci/kcp-go/v5
	transport/quic:             core transport/identity transport/internal/... github.com/quic-go/quic-go/... golang.org/x/sys/...
	transport/ws:               core transport/identity transport/internal/... github.com/coder/websocket
	transport/webtransport:     core transport/identity transport/internal/... github.com/quic-go/quic-go/... github.com/quic-go/webtransport-go
	sink/internal/...:          core sink/internal/...
	sink/mem sink/file sink/spool: core sink/internal/...
	sink/redis:                 core sink/internal/... github.com/redis/go-redis/v9/...
	sink/mongo:                 core sink/internal/... go.mongodb.org/mongo-driver/v2/...

	# The suite is for third parties, whose go.sum stays as it is.
	conformance/...:            core conformance/...

	# These wire the parts together.
	.:                          core/... codec transport/... sink/...
	cmd/... examples/...:       ... *.*/...
	internal/systest/...:       ... *.*/...
`

// A rule is one line of the law.
type rule struct{ packages, imports []string }

func parseLaw(text string) (rules []rule, err error) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if line == "" {
			continue
		}
		packages, imports, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("no colon in %q", line)
		}
		rules = append(rules, rule{strings.Fields(packages), strings.Fields(imports)})
	}
	return rules, nil
}

// matches reports whether pattern stands for name.
func matches(pattern, name string) bool {
	root, below := strings.CutSuffix(pattern, "...")
	root = strings.TrimSuffix(root, "/")
	if below && root == "" {
		return !strings.Contains(first(name), ".") || name == "."
	}
	want, got := strings.Split(root, "/"), strings.Split(name, "/")
	if len(got) < len(want) || len(got) > len(want) && !below {
		return false
	}
	for i, elem := range want {
		if ok, _ := path.Match(elem, got[i]); !ok {
			return false
		}
	}
	return true
}

func first(name string) string { elem, _, _ := strings.Cut(name, "/"); return elem }

// breaches returns how the package name, which imports these, breaks the rules.
// Paths are relative to the module, which itself is ".".
func breaches(rules []rule, name string, imports []string) (out []string) {
	named := func(patterns []string, s string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, s) })
	}
	i := slices.IndexFunc(rules, func(r rule) bool { return named(r.packages, name) })
	if i < 0 {
		return []string{fmt.Sprintf("package %s has no line in the import law of imports_test.go", name)}
	}
	for _, imp := range imports {
		if imp != name && !named(rules[i].imports, imp) {
			out = append(out, fmt.Sprintf("package %s must not import %s", name, imp))
		}
	}
	return out
}

// relative returns an import path as the law writes it, "" for the standard library.
func relative(imp string) string {
	switch rest, inside := strings.CutPrefix(imp, module); {
	case inside && rest == "":
		return "."
	case inside && rest[0] == '/':
		return rest[1:]
	case !strings.Contains(first(imp), "."):
		return ""
	}
	return imp
}

// goList runs go list for an operating system and returns its lines.
func goList(t *testing.T, goos string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	switch goos {
	case "js":
		cmd.Env = append(cmd.Env, "GOARCH=wasm")
	default:
		cmd.Env = append(cmd.Env, "GOARCH=amd64")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == '\n' })
}

// systems are those whose files the law is run over: an adapter has others on each.
var systems = []string{"linux", "windows", "darwin", "js"}

func TestImportLaw(t *testing.T) {
	rules, err := parseLaw(importLaw)
	if err != nil {
		t.Fatal(err)
	}
	for _, goos := range systems {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			lines := goList(t, goos, "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
			if len(lines) < 10 {
				t.Fatalf("go list found %d packages only", len(lines))
			}
			for _, line := range lines {
				fields := strings.Fields(line)
				var imports []string
				for _, imp := range fields[1:] {
					if imp = relative(imp); imp != "" {
						imports = append(imports, imp)
					}
				}
				for _, breach := range breaches(rules, relative(fields[0]), imports) {
					t.Error(breach)
				}
			}
		})
	}
}

// TestCoreAlone holds that a program that imports the contract, the engine or the
// conformance suite compiles no third-party package.
func TestCoreAlone(t *testing.T) {
	for _, goos := range systems {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, dep := range goList(t, goos, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./core/...", "./conformance/...") {
				if dep != module && !strings.HasPrefix(dep, module+"/") {
					t.Errorf("core or conformance needs %s", dep)
				}
			}
		})
	}
}

// TestImportLawFails holds that the law can be broken.
func TestImportLawFails(t *testing.T) {
	rules, err := parseLaw(importLaw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, imp string
		legal     bool
	}{
		{"core", "core/state", false},
		{"core", "github.com/tinylib/msgp/msgp", false},
		{"core/state", "core", true},
		{"core/state", "core/internal/wire", true},
		{"core/state", "core/rpc", false},
		{"core/rpc", "core/lobby", false},
		{"core/lobby", "core/server", false},
		{"core/server", "core/rpc", true},
		{"core/server", "core/client", false},
		{"core/server", "transport/mem", false},
		{"core/client", "codec", false},
		{"core/internal/wire", "core/internal/link", false},
		{"codec", "github.com/tinylib/msgp/msgp", true},
		{"codec", "core/state", false},
		{"transport/tcp", "core", true},
		{"transport/tcp", "core/lobby", false},
		{"transport/tcp", "transport/mem", false},
		{"transport/tcp", "transport/identity", true},
		{"transport/mem", "conformance/netsim", false},
		{"conformance", "transport/mem", false},
		{"conformance/netsim", "core", true},
		{"conformance/netsim", "core/state", false},
		{"conformance", "github.com/stretchr/testify/assert", false},
		{".", "core/server", true},
		{".", "examples/knights", false},
		{".", "github.com/redis/go-redis/v9", false},
		{"examples/knights", ".", true},
		{"examples/knights", "transport/tcp", true},
		{"cmd/parley", "golang.org/x/term", true},
		{"internal/systest", "core/server", true},
		{"newroom", "core", false},
		{"core/newroom", "core", false},
	} {
		broken := breaches(rules, c.name, []string{c.imp})
		if legal := len(broken) == 0; legal != c.legal {
			t.Errorf("%s imports %s: legal is %v, want %v; %v", c.name, c.imp, legal, c.legal, broken)
		}
	}
	if _, err := parseLaw("core core/state"); err == nil {
		t.Error("a law without a colon was read")
	}
}
