// The overview stays as it is while it is read; news of pain offers itself, and a fresh page follows a look elsewhere.
document.addEventListener("home-pains", ({ detail }) => {
  if (detail.news && document.visibilityState === "hidden") location.reload();
});
