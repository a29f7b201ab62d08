"""The page in a real browser: filters, keys, drawn differences, contrast, a phone, no scripts."""

from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from arcflow.report.write import write_report
from arcflow.sources.files.by_name import named
from tests.helpers.reports import entries_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = named("arc-agi-1/evaluation")[:20]
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, "an evaluation", tasks, entries_for(tasks, 0, ["ttft", "baseline"]))
    return path


@pytest.fixture
def window(browser: Chrome, page: Path) -> Chrome:
    browser.set_window_size(1200, 900)
    browser.get(page.as_uri())
    return browser


def shown(window: Chrome) -> list[str]:
    return window.execute_script(
        "return [...document.querySelectorAll('.task:not([hidden])')].map(t => t.dataset.id)"
    )


def test_no_errors_and_no_requests(window: Chrome) -> None:
    assert window.get_log("browser") == []
    loaded = "return performance.getEntriesByType('resource').length"
    assert window.execute_script(loaded) == 0


def test_filters_search_and_order(window: Chrome) -> None:
    everything = shown(window)
    assert len(everything) == 20
    window.find_element(By.CSS_SELECTOR, "input[value=solved]").click()
    solved = [i for i in everything if i not in shown(window)]
    # Every fifth task is right with test-time fine-tuning.
    assert solved == everything[::5]
    assert "16 of 20" in window.find_element(By.ID, "shown").text
    window.find_element(By.CSS_SELECTOR, "input[value=solved]").click()
    window.find_element(By.NAME, "id").send_keys(everything[3][:6].upper())
    assert shown(window) == [everything[3]]
    window.find_element(By.NAME, "id").clear()
    window.find_element(By.NAME, "id").send_keys(" ")
    order = Select(window.find_element(By.NAME, "order"))
    order.select_by_value("id")
    assert shown(window) == sorted(everything)
    order.select_by_value("status")
    assert shown(window)[:4] == solved


def test_all_by_keyboard(window: Chrome) -> None:
    ids = shown(window)
    keys = ActionChains(window)
    keys.send_keys("jj").send_keys(Keys.ENTER).perform()
    opened = window.find_elements(By.CSS_SELECTOR, "details[open]")
    assert [one.get_attribute("data-id") for one in opened] == [ids[1]]
    ActionChains(window).send_keys("k").send_keys("/").send_keys(ids[2]).perform()
    assert shown(window) == [ids[2]]
    field = window.switch_to.active_element
    assert field.get_attribute("name") == "id"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert window.execute_script(outline) == "solid"


def test_wrong_cells_are_counted_and_crossed_out(window: Chrome) -> None:
    # The second task's answers differ from the truth in one cell each.
    task = window.find_elements(By.CSS_SELECTOR, ".task")[1]
    task.find_element(By.TAG_NAME, "summary").click()
    labels = [
        canvas.get_attribute("aria-label")
        for canvas in task.find_elements(By.CSS_SELECTOR, ".answers canvas")
    ]
    assert labels
    assert any(label.endswith("; 1 cells are wrong") for label in labels)
    assert all(not one.is_displayed() for one in task.find_elements(By.CSS_SELECTOR, ".g"))
    marks = """
        const task = document.querySelectorAll('.task')[1];
        const canvas = task.querySelector('.answers canvas');
        const truth = task.querySelector('[id^=t2] canvas');
        const data = c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const a = data(canvas), b = data(truth);
        const differ = []; const width = canvas.width;
        for (let i = 0; i < a.length; i += 4) {
          if (a[i] !== b[i] || a[i+1] !== b[i+1] || a[i+2] !== b[i+2]) differ.push(a[i]);
        }
        return [a.length === b.length, new Set(differ).size];
    """
    same_size, colors = window.execute_script(marks)
    assert same_size
    assert colors > 1  # the cell's other colour, and the cross on it


def test_text_has_enough_contrast_in_light_and_dark(window: Chrome) -> None:
    script = """
        const luminance = rgb => {
          const [r, g, b] = rgb.match(/[\\d.]+/g).slice(0, 3).map(v => {
            v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const back = e => {
          for (; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$/.test(color)) return color;
          }
          return 'rgb(255, 255, 255)';
        };
        let worst = [99, ''];
        for (const e of document.querySelectorAll('h1, p, th, td, .badge, .by, .id, dt, label')) {
          const x = luminance(getComputedStyle(e).color), y = luminance(back(e));
          const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
          if (ratio < worst[0]) worst = [ratio, e.className + ' ' + e.tagName];
        }
        return worst;
    """
    for scheme in ("light", "dark"):
        window.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        ratio, where = window.execute_script(script)
        assert ratio >= 4.5, (scheme, where)


def test_a_phone_scrolls_in_one_direction(window: Chrome) -> None:
    window.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    for task in window.find_elements(By.CSS_SELECTOR, "summary")[:3]:
        task.click()
    width = window.execute_script("return document.documentElement.scrollWidth")
    window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 360


def test_without_scripts_the_tables_and_grids_are_read(window: Chrome, page: Path) -> None:
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        window.get(page.as_uri())
        assert not window.find_element(By.ID, "filters").is_displayed()
        task = window.find_elements(By.CSS_SELECTOR, ".task")[0]
        task.find_element(By.TAG_NAME, "summary").click()
        grid = task.find_element(By.CSS_SELECTOR, ".g")
        assert grid.is_displayed()
        assert grid.text.replace("\n", "").isdecimal()
        assert "tasks solved" in window.find_element(By.TAG_NAME, "table").text
    finally:
        window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
