const copy = document.getElementById("copy");
copy.onclick = async () => {
  await navigator.clipboard.writeText(document.querySelector(".command code").textContent);
  copy.textContent = word("copied");
};
addEventListener("beforeprint", () => all("details:not(.relation, .cluster)").forEach((part) => (part.open = true)));

setLanguage(page.dataset.ui);
applyFilter();
