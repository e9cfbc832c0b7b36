package komstream_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/komstream/komstream/internal/vectortest"
)

// vectors decodes one file of the golden vectors.
func vectors(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

var (
	tableRow   = regexp.MustCompile(`(?m)^\|(.*)\|\n`)
	goldenName = regexp.MustCompile("`([a-z/]+\\.)?(TestGolden\\w+)`")
	quotedRule = regexp.MustCompile("`([^`]+)`")
)

// tables returns the cells of the tables of a document, heads left out; an empty first cell means that of the row before.
func tables(t *testing.T, file string) (all [][][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n\n") {
		rows := tableRow.FindAllStringSubmatch(block+"\n", -1)
		if len(rows) < 3 {
			continue
		}
		var table [][]string
		for _, row := range rows[2:] {
			cells := strings.Split(row[1], "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if cells[0] == "" {
				cells[0] = table[len(table)-1][0]
			}
			table = append(table, cells)
		}
		all = append(all, table)
	}
	return all
}

// TestEveryVectorFileIsTested holds docs/vectors.md to the folder of the vectors and to the sources of the tests:
// every list of cases of every file has its tests, and every golden test its place.
func TestEveryVectorFileIsTested(t *testing.T) {
	all := tables(t, filepath.Join("docs", "vectors.md"))
	if len(all) != 2 {
		t.Fatalf("docs/vectors.md has %d tables, want that of the cases and that of the rules", len(all))
	}
	sources := goldenTests(t)
	listed := map[string]string{} // "file list" → number
	named := map[string]bool{}
	for _, row := range all[0] {
		listed[strings.Trim(row[0], "`")+" "+strings.Trim(row[1], "`")] = row[2]
		names := goldenName.FindAllStringSubmatch(row[3], -1)
		if len(names) == 0 && !strings.HasPrefix(row[3], "none: ") {
			t.Errorf("%s %s: no test and no reason why", row[0], row[1])
		}
		for _, name := range names {
			named[name[1]+name[2]] = true
		}
	}
	for name := range sources {
		if !named[name] {
			t.Errorf("%s is not in the table of docs/vectors.md", name)
		}
	}
	for name := range named {
		if _, ok := sources[name]; !ok {
			t.Errorf("docs/vectors.md names %s, which does not exist", name)
		}
	}
	checkListed(t, listed)
	checkRules(t, all[1], sources)
}

// checkListed compares the numbers of cases with the files.
func checkListed(t *testing.T, listed map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectortest.Dir(t), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	cases := 0
	for _, file := range files {
		name := filepath.Base(file)
		var lists map[string]json.RawMessage
		vectors(t, name, &lists)
		for key, text := range lists {
			var list []json.RawMessage
			if json.Unmarshal(text, &list) != nil || list == nil {
				continue // a constant, which its file's test reads
			}
			number, ok := listed[name+" "+key]
			if !ok {
				t.Errorf("%s: the cases %q are tested nowhere, says docs/vectors.md", name, key)
			}
			if vectortest.Own() && number != strconv.Itoa(len(list)) {
				t.Errorf("%s: docs/vectors.md says %s cases %q, the file has %d", name, number, key, len(list))
			}
			cases += len(list)
		}
	}
	t.Logf("%d cases in %d files", cases, len(files))
}

// checkRules looks for each rule in the sources of the tests that are said to have it.
func checkRules(t *testing.T, rows [][]string, sources map[string]string) {
	t.Helper()
	for _, row := range rows {
		name := goldenName.FindStringSubmatch(row[0])
		rule := quotedRule.FindStringSubmatch(row[1])
		if name == nil || rule == nil {
			t.Errorf("row %q names no test or no rule", row)
			continue
		}
		if text, ok := sources[name[1]+name[2]]; !ok || !strings.Contains(text, rule[1]) {
			t.Errorf("%s%s: no rule %q in its package", name[1], name[2], rule[1])
		}
	}
	t.Logf("%d rules", len(rows))
}

// goldenTests returns the golden tests of all packages, "package.TestName", each with the text of its package's tests.
func goldenTests(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	texts := map[string]string{} // of the tests of a folder
	names := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		texts[folder] += string(text)
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "TestGolden") {
				names[folder] = append(names[folder], f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, all := range names {
		slices.Sort(all)
		name := folder
		if folder == "." {
			name = "komstream"
		}
		for _, test := range all {
			found[name+"."+test] = texts[folder]
		}
	}
	return found
}
