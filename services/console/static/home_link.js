// A link that is shown once: printed, or copied for a message.
for (const button of document.querySelectorAll("[data-prints]")) button.addEventListener("click", () => print());
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const address = document.getElementById(button.dataset.copies);
    await navigator.clipboard?.writeText(address.textContent);
    getSelection().selectAllChildren(address);
    button.lastChild.textContent = button.dataset.said;
  });
}
