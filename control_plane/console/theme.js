// The colour theme, set before the first paint: the system's, unless the user chose one.
(function () {
  const KEY = "nexus.theme";
  const read = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const write = (value) => { try { localStorage.setItem(KEY, value); } catch { /* private mode: the choice lasts until reload */ } };
  const system = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const apply = (theme) => { document.documentElement.dataset.theme = theme; };

  let chosen = read();
  apply(chosen || system());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (!chosen) apply(system()); });
  window.nexusTheme = {
    current: () => document.documentElement.dataset.theme,
    toggle() {
      chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      write(chosen);
      apply(chosen);
      return chosen;
    },
  };
})();
