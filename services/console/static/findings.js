// Findings: another picture is shown as soon as it is chosen; one that cannot be drawn says so.
const compare = document.getElementById("compare");
compare?.addEventListener("change", () => compare.requestSubmit());

for (const picture of document.querySelectorAll(".finding-side img")) {
  const failed = () => {
    picture.hidden = true;
    picture.closest("figure").querySelector(".finding-failed").hidden = false;
  };
  if (picture.complete && picture.naturalWidth === 0) failed();
  picture.addEventListener("error", failed);
}
